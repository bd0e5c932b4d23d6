"""A verification beside reladiff's, of the same two tables; both find three rows that differ."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from contextlib import closing

import psycopg
import reladiff  # type: ignore[import-untyped]

from strangler.ladder import Arm
from strangler.transfer.mapping import TableMap, Target
from strangler.transfer.pairing import pair
from strangler.transfer.verify import Finding, Verification
from tests.bench.harness import Pair, Row, at_least, in_turn, row
from tests.bench.transfer_shop import Sane, Shop, dumped, shop, twin
from tests.servers import Postgres

ITEMS = 1_000_000
ROUNDS = 3
COLUMNS = (
    "id", "sku", "name", "description", "price", "attributes", "active", "shelf_id", "created_at",
    "updated_at",
)  # fmt: skip
MAPS = (
    TableMap("shop_shelf", Target("shelf", {"id": "id", "name": "name"})),
    TableMap("shop_item", Target("item", {name: name for name in COLUMNS})),
)
_WRONG = """
UPDATE item SET price = price + 1 WHERE id = %(items)s / 3;
DELETE FROM item WHERE id = %(items)s / 2;
INSERT INTO item SELECT %(items)s + 7, 'SKU-extra', name, description, price, attributes, active,
    shelf_id, created_at, updated_at FROM item WHERE id = 1
"""


@contextlib.contextmanager
def spoiled(server: Postgres, items: int) -> Iterator[Shop]:
    """Two sides with the same rows, but one that is changed, one missing, one extra."""
    with shop(server, items=items, installed=False) as one, twin(server) as copy:
        dumped(one.monolith, copy)
        with closing(psycopg.connect(copy, autocommit=True)) as connection:
            connection.execute("ALTER TABLE shop_item RENAME TO item")
            connection.execute("ALTER TABLE shop_shelf RENAME TO shelf")
            for statement in _WRONG.split(";"):
                connection.execute(statement.encode(), {"items": items})
            connection.execute("VACUUM (ANALYZE)")
        both = Shop(one.monolith, copy)
        both.install()
        yield both


def differences(both: Shop) -> list[Finding]:
    """What a whole verification finds."""
    with (
        closing(both.side(Arm.MONOLITH).session()) as monolith,
        closing(both.side(Arm.SERVICE).session()) as service,
    ):
        check = Verification(
            pair(MAPS, monolith, service), monolith=monolith, service=service, owner=Arm.MONOLITH
        )
        for _ in check.chunks():
            pass
        return check.findings()


def bench(server: Sane) -> Iterator[Row]:
    """Rows that are compared in a second."""
    with spoiled(server, ITEMS) as both:
        found = in_turn(lambda: _ours(both), lambda: _theirs(both), rounds=ROUNDS)
    yield row(
        f"verification of {ITEMS:,} items, three of which differ", [Pair(*one) for one in found],
        peer_name="reladiff", unit="rows/s", goal=at_least(3),
    )  # fmt: skip


def _ours(both: Shop) -> float:
    began = time.perf_counter()
    return _rate(began, differences(both))


def _theirs(both: Shop) -> float:
    began = time.perf_counter()
    extra = tuple(name for name in COLUMNS if name != "id")
    tables = [
        reladiff.connect_to_table(url, name, "id", extra_columns=extra)
        for url, name in ((both.monolith, "shop_item"), (both.service, "item"))
    ]
    return _rate(began, {key for _, (key, *_) in reladiff.diff_tables(*tables)})


def _rate(began: float, found: Sequence[Finding] | set[str]) -> float:
    took = time.perf_counter() - began
    if len(found) != 3:
        raise RuntimeError(f"three rows differ, and it found {len(found)}: {found}")
    return ITEMS / took
