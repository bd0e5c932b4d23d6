"""The shop with all who work behind the scenes, whoever buys in it, and what its books must say."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import httpx

from demo import databases
from demo.processes import Part
from demo.told import plain
from tests.chaos.servers import Durable
from tests.e2e.transfer.street import Street, opened

PAYMENTS = ("card", "card", "card", "sandbox-declined", "sandbox-no-funds", "sandbox-after")
PATIENCE = 120.0

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
RESERVED = {
    "monolith": 'SELECT "order", state FROM inventory_reservation',
    "inventory": "SELECT order_id, state FROM reservation",
}
SHIPPED = 'SELECT "order", count(*) FROM shipping_shipment GROUP BY 1'
TOLD = (
    'SELECT "order", count(*) FROM notifications_notification '
    "WHERE kind = 'order_confirmed' AND channel = 'email' GROUP BY 1"
)
SAGAS = "SELECT state, count(*) FROM strangler_saga GROUP BY state"
ACTIVE = "SELECT sku FROM catalog_product WHERE active"
UNENDED = "SELECT count(*) FROM strangler_saga WHERE ended IS NULL"
UNDER_WAY = (
    "SELECT count(*) FROM strangler_outbox",
    "SELECT count(*) FROM strangler_queue",
    UNENDED,
    "SELECT count(*) FROM notifications_notification WHERE state IN ('pending', 'failed')",
)
PARKED = (
    "SELECT (SELECT count(*) FROM strangler_outbox_parked) "
    "+ (SELECT count(*) FROM shipping_parkedevent) "
    "+ (SELECT count(*) FROM notifications_parkedevent) "
    "+ (SELECT count(*) FROM ordering_parkedevent)"
)


@contextmanager
def open_shop(folder: Path, server: Durable | None = None, **size: int) -> Iterator[Street]:
    """A shop on SQLite, or on that server, where everybody is at work."""
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        if server is None:
            files = stack.enter_context(databases.opened("sqlite", folder))
        else:
            files = databases._on(server)
        street = stack.enter_context(opened(files, folder, **size))
        for part in street.shop.behind:
            if part._process is None:
                stack.callback(part.stop)
                part.start()
        yield street


def behind(street: Street, name: str) -> Part:
    """Whoever works behind the scenes, by name."""
    return next(part for part in street.shop.behind if part.name == f"the {name}")


@dataclass
class Bought:
    """What customers were told: the order's id, or why there is none, by key."""

    placed: dict[str, str] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    gave_up: list[str] = field(default_factory=list)


class Buyers:
    """Customers, each a thread: an order that was not answered is sent again, by its key."""

    def __init__(self, street: Street, *, each: int, scarce: str, seed: int) -> None:
        self.bought = Bought()
        self._street = street
        self._each = each
        self._scarce = scarce
        self._sold = sellable(street)
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._buy, args=(headers, seed + number))
            for number, headers in enumerate(street.customers)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()

    @property
    def busy(self) -> bool:
        """Is anybody still buying?"""
        return any(thread.is_alive() for thread in self._threads)

    def _buy(self, headers: dict[str, str], seed: int) -> None:
        pick = random.Random(seed)
        with self._street.client(headers) as client:
            for _ in range(self._each):
                key, wanted = uuid.uuid4().hex, self._wish(pick)
                self._send(client, key, wanted)

    def _wish(self, pick: random.Random) -> dict[str, Any]:
        scarce = pick.random() < 0.3
        sku = self._scarce if scarce else pick.choice(self._sold)
        lines = [{"sku": sku, "quantity": pick.randint(1, 5 if scarce else 2)}]
        return {
            "lines": lines, "country": "DE", "coupon": None, "payment": pick.choice(PAYMENTS),
        }  # fmt: skip

    def _send(self, client: httpx.Client, key: str, wanted: dict[str, Any]) -> None:
        until = time.monotonic() + PATIENCE
        said = ""
        while time.monotonic() < until:
            try:
                answer = client.post(
                    "/api/ordering/orders", json=wanted, headers={"Idempotency-Key": key}
                )
            except httpx.TransportError as error:
                said = repr(error)
                time.sleep(0.3)
                continue
            said = f"{answer.status_code} {answer.text[:200]}"
            error = answer.json().get("error") if answer.status_code >= 400 else None
            with self._lock:
                if answer.status_code < 300:
                    self.bought.placed[key] = plain(answer.json()["id"])
                    return
                if error == "OrderRejected":
                    self.bought.refused[str(answer.json()["detail"].get("cause"))] += 1
                    return
            time.sleep(0.3)
        with self._lock:
            self.bought.gave_up.append(said)


def stock(street: Street, side: str = "monolith") -> dict[str, tuple[int, int]]:
    """How many there are of each SKU, and how many of those are kept for somebody."""
    rows = street.rows(side, STOCK[side])
    return {sku: (int(there), int(kept)) for sku, there, kept in rows}


def idle(street: Street) -> bool:
    """Has everything ended that was begun?"""
    return not any(street.rows("monolith", query)[0][0] for query in UNDER_WAY)


@dataclass
class _Books:
    """What every book says, by order."""

    orders: dict[str, tuple[str, Decimal]]
    lines: dict[str, Counter[str]]
    sold: dict[str, Counter[str]]
    reserved: dict[str, str]
    counts: dict[str, dict[str, int]]
    charged: dict[str, Decimal]

    @classmethod
    def read(cls, street: Street, side: str) -> Self:
        lines: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for order, sku, quantity in street.rows("monolith", LINES):
            lines[plain(order)][sku] += int(quantity)
        sold: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for order, sku, delta in street.rows(side, SOLD[side]):
            sold[plain(order)][sku] -= int(delta)
        return cls(
            orders={
                plain(order): (state, Decimal(str(total or 0)))
                for order, state, total in street.rows("monolith", ORDERS)
            },
            lines=lines,
            sold=sold,
            reserved={plain(order): state for order, state in street.rows(side, RESERVED[side])},
            counts={
                what: {plain(order): int(n) for order, n in street.rows("monolith", query)}
                for what, query in (("shipped", SHIPPED), ("told", TOLD))
            },
            charged={plain(key): paid for key, paid in street.shop.backstage.charged().items()},
        )

    def order(self, order: str) -> Iterator[str]:
        """What is wrong with this one."""
        state, total = self.orders[order]
        said = f"{order} is {state}"
        confirmed = state == "confirmed"
        if state not in {"confirmed", "rejected"}:
            yield said
        if (paid := self.charged.get(order, Decimal(0))) != (total if confirmed else 0):
            yield f"{said}, of {total}, and {paid} was kept"
        goods, wanted = +self.sold.get(order, Counter()), self.lines[order]
        if goods != (wanted if confirmed else Counter()):
            yield f"{said}: {dict(wanted)} wanted, {dict(goods)} sold"
        held = self.reserved.get(order, "none")
        if held not in ({"committed"} if confirmed else {"released", "none"}):
            yield f"{said}, and its goods are {held}"
        for what, counts in self.counts.items():
            if counts.get(order, 0) != int(confirmed):
                yield f"{said}, and was {what} {counts.get(order, 0)} times"

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


def problems(street: Street, before: dict[str, tuple[int, int]], side: str) -> list[str]:
    """What does not add up, when everything has ended: by plain SQL, and the provider's books."""
    books = _Books.read(street, side)
    found = [one for order in books.orders for one in books.order(order)]
    found += books.nobodys()
    gone = books.gone()
    for sku, (there, held) in stock(street, side).items():
        if held or there != before[sku][0] - gone[sku]:
            found.append(f"{sku}: {there} there, {held} kept; {before[sku]} less {gone[sku]}")
    states = {state: int(count) for state, count in street.rows("monolith", SAGAS)}
    found += [f"{n} sagas are {one}" for one, n in states.items() if one not in _DECLARED]
    ((parked,),) = street.rows("monolith", PARKED)
    found += [f"{parked} events are parked"] if parked else []
    return found


def sellable(street: Street) -> list[str]:
    """The SKUs that are for sale."""
    active = {sku for (sku,) in street.rows("monolith", ACTIVE)}
    return sorted(active & street.stocks.keys())


_DECLARED = {"completed", "compensated"}
