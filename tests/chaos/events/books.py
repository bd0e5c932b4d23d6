"""The checker of checkouts: holds every book against the others. Plain SQL; knows no kit.

Whether it sees what it is for, ``tests/monolith/ordering/test_checker.py`` tries.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Protocol, Self

from demo.told import plain

ORDERS = "SELECT id, state, total FROM ordering_order"
LINES = "SELECT order_id, sku, quantity FROM ordering_orderline"
STOCK = {
    "monolith": "SELECT sku, sum(on_hand), sum(reserved) FROM inventory_stock GROUP BY sku",
    "inventory": "SELECT sku, sum(on_hand), sum(reserved) FROM stock GROUP BY sku",
}
SOLD = {
    "monolith": 'SELECT "order", sku, delta FROM inventory_movement JOIN inventory_stock AS s '
    "ON s.id = stock_id WHERE reason = 'sold'",
    "inventory": "SELECT order_id, sku, delta FROM movement JOIN stock AS s "
    "ON s.id = stock_id WHERE reason = 'sold'",
}
RETURNED = {side: query.replace("'sold'", "'returned'") for side, query in SOLD.items()}
RESERVED = {
    "monolith": 'SELECT "order", state FROM inventory_reservation',
    "inventory": "SELECT order_id, state FROM reservation",
}
SHIPPED = 'SELECT "order", count(*) FROM shipping_shipment GROUP BY 1'
TOLD = (
    'SELECT "order", count(*) FROM notifications_notification '
    "WHERE kind = 'order_confirmed' AND channel = 'email' GROUP BY 1"
)
CALLED_OFF = (
    "SELECT \"order\", count(*) FROM shipping_shipment WHERE state = 'cancelled' GROUP BY 1"
)
TOLD_OF_IT = TOLD.replace("order_confirmed", "order_cancelled")
COUNTED = {
    "shipped": (SHIPPED, {"confirmed", "cancelled"}),
    "told": (TOLD, {"confirmed", "cancelled"}),
    "called off": (CALLED_OFF, {"cancelled"}),
    "told that it is cancelled": (TOLD_OF_IT, {"cancelled"}),
}
"""What is done once for an order in one of these states, and never for any other."""
KEPT = {"confirmed": {"committed"}, "cancelled": {"released"}, "rejected": {"released", "none"}}
"""What may have become of an order's goods."""
SAGAS = "SELECT state, count(*) FROM strangler_saga GROUP BY state"
PARKED = (
    "SELECT (SELECT count(*) FROM strangler_outbox_parked) "
    "+ (SELECT count(*) FROM shipping_parkedevent) "
    "+ (SELECT count(*) FROM notifications_parkedevent) "
    "+ (SELECT count(*) FROM ordering_parkedevent)"
)

SEEN = (
    "CREATE TABLE seen (number INTEGER PRIMARY KEY AUTOINCREMENT, sku text, version bigint)",
    (
        "CREATE TRIGGER seen_update AFTER UPDATE ON ordering_product "
        "BEGIN INSERT INTO seen (sku, version) VALUES (NEW.sku, NEW.version); END"
    ),
    (
        "CREATE TRIGGER seen_insert AFTER INSERT ON ordering_product WHEN NEW.version > 0 "
        "BEGIN INSERT INTO seen (sku, version) VALUES (NEW.sku, NEW.version); END"
    ),
)
"""What ordering has learnt of products is written down, in the order in which it has."""


class Source(Protocol):
    """Where all of it is read."""

    def rows(self, side: str, query: str) -> Sequence[Sequence[Any]]:
        """What a database says: ``monolith``'s, or that of the service of inventory."""

    def charged(self) -> Mapping[str, Decimal]:
        """What the payment provider has of each order, by its own books."""


@dataclass
class Books:
    """What every book says, by order."""

    orders: dict[str, tuple[str, Decimal]]
    lines: dict[str, Counter[str]]
    sold: dict[str, Counter[str]]
    returned: dict[str, Counter[str]]
    reserved: dict[str, str]
    counts: dict[str, dict[str, int]]
    charged: dict[str, Decimal]

    @classmethod
    def read(cls, source: Source, side: str) -> Self:
        lines: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for order, sku, quantity in source.rows("monolith", LINES):
            lines[plain(order)][sku] += int(quantity)
        sold: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for order, sku, delta in source.rows(side, SOLD[side]):
            sold[plain(order)][sku] -= int(delta)
        returned: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for order, sku, delta in source.rows(side, RETURNED[side]):
            returned[plain(order)][sku] += int(delta)
        return cls(
            orders={
                plain(order): (state, Decimal(str(total or 0)))
                for order, state, total in source.rows("monolith", ORDERS)
            },
            lines=lines,
            sold=sold,
            returned=returned,
            reserved={plain(order): state for order, state in source.rows(side, RESERVED[side])},
            counts={
                what: {plain(order): int(n) for order, n in source.rows("monolith", query)}
                for what, (query, _) in COUNTED.items()
            },
            charged={plain(key): paid for key, paid in source.charged().items()},
        )

    def order(self, order: str) -> Iterator[str]:
        """What is wrong with this one."""
        state, total = self.orders[order]
        said = f"{order} is {state}"
        confirmed = state == "confirmed"
        if state not in KEPT:
            yield said
        if (paid := self.charged.get(order, Decimal(0))) != (total if confirmed else 0):
            yield f"{said}, of {total}, and {paid} was kept"
        wanted, sold = self.lines[order], self.sold.get(order, Counter())
        goods = sold.copy()
        goods.subtract(self.returned.get(order, Counter()))
        if +goods != (wanted if confirmed else Counter()) or -goods or sold - wanted:
            yield f"{said}: {dict(wanted)} wanted, {dict(sold)} sold, {dict(goods)} not returned"
        held = self.reserved.get(order, "none")
        if held not in KEPT.get(state, {"released", "none"}):
            yield f"{said}, and its goods are {held}"
        for what, (_, states) in COUNTED.items():
            if (times := self.counts[what].get(order, 0)) != int(state in states):
                yield f"{said}, and was {what} {times} times"

    def broken(self, promised: Mapping[str, str]) -> Iterator[str]:
        """What customers were told, and is not so."""
        for order, word in promised.items():
            state, _ = self.orders.get(plain(order), ("nowhere", None))
            if state != word:
                yield f"{order} is {state}, and was promised to be {word}"

    def nobodys(self) -> Iterator[str]:
        """What was done for orders that there are not."""
        for what in (self.charged, self.sold, self.reserved, *self.counts.values()):
            for order in what.keys() - self.orders.keys():
                yield f"{order} is nobody's: {what[order]}"

    def gone(self) -> Counter[str]:
        """What the customers have."""
        found: Counter[str] = Counter()
        for order, (state, _) in self.orders.items():
            found.update(self.lines[order] if state == "confirmed" else {})
        return found


def stock(source: Source, side: str = "monolith") -> dict[str, tuple[int, int]]:
    """How many there are of each SKU, and how many of those are kept for somebody."""
    rows = source.rows(side, STOCK[side])
    return {sku: (int(there), int(kept)) for sku, there, kept in rows}


def problems(
    source: Source,
    before: Mapping[str, tuple[int, int]],
    side: str = "monolith",
    *,
    promised: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """What does not add up, when everything has ended: by plain SQL, and the provider's books.

    Args:
        source: where all of it is read.
        before: the stock as it was.
        side: which has the stock now.
        promised: what customers were told of their orders: ``confirmed``, or ``cancelled``.
    """
    books = Books.read(source, side)
    found = [one for order in books.orders for one in books.order(order)]
    found += books.nobodys()
    found += books.broken(promised)
    gone = books.gone()
    for sku, (there, held) in stock(source, side).items():
        if held or there != before[sku][0] - gone[sku]:
            found.append(f"{sku}: {there} there, {held} kept; {before[sku]} less {gone[sku]}")
    states = {state: int(count) for state, count in source.rows("monolith", SAGAS)}
    found += [f"{n} sagas are {one}" for one, n in states.items() if one not in _DECLARED]
    ((parked,),) = source.rows("monolith", PARKED)
    found += [f"{parked} events are parked"] if parked else []
    return found


_DECLARED = {"completed", "compensated"}


def versions(seen: Iterable[Sequence[Any]], keys: Iterable[str], last: int) -> list[str]:
    """What is wrong with the versions that were heard of each key, in the order in which they were.

    Args:
        seen: key and version, one after the other.
        keys: each was spoken of ``last`` times.
        last: the version that came at last.
    """
    heard: defaultdict[str, list[int]] = defaultdict(list)
    for key, version in seen:
        heard[key].append(int(version))
    wanted = list(range(1, last + 1))
    return [f"{key} was heard of as {heard[key]}" for key in keys if heard[key] != wanted]
