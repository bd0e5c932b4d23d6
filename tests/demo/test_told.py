"""What was said, paid and sent is held against the orders, and whatever is planted is found."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from demo.ledger import FoundOrder, Reckoning
from demo.postbox import Arrived
from demo.told import Told, differing, hold_against

ORDER = "a1000000-0000-4000-8000-000000000001"
BOUGHT = FoundOrder(id=ORDER, key="k1", state="confirmed", total=Decimal("9.99"), units={})
OTHER = "b2000000-0000-4000-8000-000000000002"
REJECTED = f"Your order {OTHER} is confirmed"
REFUSED = FoundOrder(id=OTHER, key="k2", state="rejected", total=Decimal("5.00"), units={})
PLAIN = ORDER.replace("-", "")
MAIL = Arrived("<c3-d4@shop>", f"Your order {ORDER} is confirmed", "monolith")
SENT = Arrived("<e5-f6@shop>", f"Your order {ORDER} is on its way", "monolith")
TOLD = Told(
    published=1,
    delivered=2,
    sagas={"completed": 1, "compensated": 1},
    shipments={PLAIN: ["preparing"]},
    mails=[MAIL],
    begun={"c3d4": 1},
    charged={PLAIN: Decimal("9.99"), OTHER.replace("-", ""): Decimal(0)},
)


def test_good_books_are_clean():
    assert hold_against(TOLD, [BOUGHT, REFUSED]) == Reckoning([], [], [])


@pytest.mark.parametrize(
    ("told", "lost", "twice", "differing"),
    [
        (replace(TOLD, charged={}), 0, 0, 1),
        (replace(TOLD, charged={**TOLD.charged, OTHER.replace("-", ""): Decimal(5)}), 0, 0, 1),
        (replace(TOLD, charged={**TOLD.charged, PLAIN: Decimal("19.98")}), 0, 0, 1),
        (replace(TOLD, shipments={}), 1, 0, 0),
        (replace(TOLD, shipments={PLAIN: ["preparing", "preparing"]}), 0, 1, 0),
        (replace(TOLD, mails=[]), 1, 0, 0),
        (replace(TOLD, mails=[MAIL, MAIL]), 0, 1, 0),
        (replace(TOLD, mails=[MAIL, MAIL], begun={}), 0, 1, 0),
        (replace(TOLD, mails=[MAIL, replace(MAIL, message="<other@shop>")]), 0, 1, 0),
        (replace(TOLD, mails=[MAIL, SENT]), 0, 1, 0),
        (replace(TOLD, mails=[MAIL, replace(MAIL, subject=REJECTED)]), 0, 1, 0),
        (replace(TOLD, copies=["SKU-1"]), 1, 0, 0),
        (replace(TOLD, parked=1), 1, 0, 0),
        (replace(TOLD, sagas={"stuck": 1}), 1, 0, 0),
        (replace(TOLD, unfinished={"sagas under way": 1}), 1, 0, 0),
    ],
    ids=[
        "nothing charged", "a refused order charged", "charged twice", "not sent", "sent twice",
        "not told", "told twice", "told twice by nobody", "told twice under two names",
        "told of what has not happened", "told of a refused order", "a copy that is wrong",
        "parked", "stuck", "unfinished",
    ],
)  # fmt: skip
def test_whatever_is_planted_is_found(told: Told, lost: int, twice: int, differing: int):
    found = hold_against(told, [BOUGHT, REFUSED])
    assert (len(found.lost), len(found.twice), len(found.differing)) == (lost, twice, differing)


def test_a_second_copy_of_what_a_killed_sender_had_begun_is_the_same_mail():
    found = hold_against(replace(TOLD, mails=[MAIL, MAIL], begun={"c3d4": 2}), [BOUGHT, REFUSED])
    assert found == Reckoning([], [], [])


def test_what_is_known_of_products_is_what_was_said_of_them():
    said = [("A", "Lamp", "home", 1, 3), ("B", "Chair", "home", 1, 0), ("C", "Rug", "home", 1, 1)]
    known = [("A", "Lamp", "home", 1, 2), ("B", "Chair", "home", 1, 0), ("D", "Bed", "home", 1, 1)]
    assert differing(said, said) == []
    assert [one.partition(":")[0] for one in differing(said, known)] == ["A", "C", "D"]
