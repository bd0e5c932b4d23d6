"""What was said, paid and sent is held against the orders, and whatever is planted is found."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from demo.ledger import FoundOrder, Reckoning
from demo.told import Told, hold_against

BOUGHT = FoundOrder(id="a-1", key="k1", state="confirmed", total=Decimal("9.99"), units={})
REFUSED = FoundOrder(id="b-2", key="k2", state="rejected", total=Decimal("5.00"), units={})
TOLD = Told(
    published=1,
    delivered=2,
    sagas={"completed": 1, "compensated": 1},
    shipments={"a1": ["preparing"]},
    notifications={("a1", "order_confirmed"): 1},
    charged={"a1": Decimal("9.99"), "b2": Decimal(0)},
)


def test_good_books_are_clean():
    assert hold_against(TOLD, [BOUGHT, REFUSED]) == Reckoning([], [], [])


@pytest.mark.parametrize(
    ("told", "lost", "twice", "differing"),
    [
        (replace(TOLD, charged={}), 0, 0, 1),
        (replace(TOLD, charged={**TOLD.charged, "b2": Decimal(5)}), 0, 0, 1),
        (replace(TOLD, charged={**TOLD.charged, "a1": Decimal("19.98")}), 0, 0, 1),
        (replace(TOLD, shipments={}), 1, 0, 0),
        (replace(TOLD, shipments={"a1": ["preparing", "preparing"]}), 0, 1, 0),
        (replace(TOLD, notifications={}), 1, 0, 0),
        (replace(TOLD, notifications={("a1", "order_confirmed"): 2}), 0, 1, 0),
        (replace(TOLD, parked=1), 1, 0, 0),
        (replace(TOLD, sagas={"stuck": 1}), 1, 0, 0),
        (replace(TOLD, unfinished={"sagas under way": 1}), 1, 0, 0),
    ],
    ids=[
        "nothing charged", "a refused order charged", "charged twice", "not sent", "sent twice",
        "not told", "told twice", "parked", "stuck", "unfinished",
    ],
)  # fmt: skip
def test_whatever_is_planted_is_found(told: Told, lost: int, twice: int, differing: int):
    found = hold_against(told, [BOUGHT, REFUSED])
    assert (len(found.lost), len(found.twice), len(found.differing)) == (lost, twice, differing)
