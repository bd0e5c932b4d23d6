"""What became of what was said, and of what took several steps: read past everybody's code."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from demo.backstage import Backstage
from demo.databases import Databases
from demo.ledger import FoundOrder, Reckoning

PATIENCE = 30.0
"""Seconds in which everything that was begun has to come to its end."""

OUTBOX = "SELECT count(*) FROM strangler_outbox"
WAITING = {
    "events to be published": OUTBOX,
    "sagas under way": "SELECT count(*) FROM strangler_saga WHERE ended IS NULL",
    "mails to be sent": """
        SELECT count(*) FROM notifications_notification WHERE state IN ('pending', 'failed')
    """,
}
QUEUED = "SELECT count(*) FROM strangler_queue"
"""The http bus's own."""
PUBLISHED = (
    "SELECT sum(version) FROM catalog_productversion",
    "SELECT sum(version) FROM ordering_orderversion",
    "SELECT sum(version) FROM shipping_shipmentversion",
)
DELIVERED = (
    "SELECT count(*) FROM ordering_inbox",
    "SELECT count(*) FROM shipping_inbox",
    "SELECT count(*) FROM notifications_inbox",
)
PARKED = (
    "SELECT count(*) FROM strangler_outbox_parked",
    "SELECT count(*) FROM ordering_parkedevent",
    "SELECT count(*) FROM shipping_parkedevent",
    "SELECT count(*) FROM notifications_parkedevent",
)
SAGAS = "SELECT name, state, count(*) FROM strangler_saga GROUP BY name, state"
SHIPMENTS = 'SELECT "order", state FROM shipping_shipment'
NOTIFICATIONS = """
    SELECT "order", kind, channel FROM notifications_notification WHERE state = 'sent'
"""


@dataclass(frozen=True, slots=True)
class Told:
    """What was said and heard, and how sagas ended; ``charged`` is the provider's word."""

    published: int = 0
    delivered: int = 0
    parked: int = 0
    sagas: Mapping[str, int] = field(default_factory=dict)
    """How many ended how."""
    shipments: Mapping[str, list[str]] = field(default_factory=dict)
    """The states of an order's shipments."""
    notifications: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """How often a customer is told of an order that it is confirmed, and so on, by one channel."""
    charged: Mapping[str, Decimal] = field(default_factory=dict)
    unfinished: Mapping[str, int] = field(default_factory=dict)
    """What did not come to its end in time."""

    @property
    def money(self) -> Decimal:
        """All that was charged, and not given back."""
        return sum(self.charged.values(), Decimal(0))


class Ears:
    """Looks into the databases."""

    def __init__(self, databases: Databases, backstage: Backstage) -> None:
        self._databases = databases
        self._backstage = backstage

    def unfinished(self) -> dict[str, int]:
        """What is still to be done."""
        found = {what: self._count(query) for what, query in WAITING.items()}
        found["events that catalog says"] = self._asked("catalog", OUTBOX)
        waiting = self._backstage.waiting()
        found["events to be delivered"] = self._count(QUEUED) if waiting is None else waiting
        return {what: count for what, count in found.items() if count}

    def told(self) -> Told:
        """Everything, once all has come to its end, or too much time has gone."""
        until = time.monotonic() + PATIENCE
        while (unfinished := self.unfinished()) and time.monotonic() < until:
            time.sleep(0.1)
        sagas: Counter[str] = Counter()
        for _, state, count in self._rows(SAGAS):
            sagas[state] += count
        shipments: dict[str, list[str]] = {}
        for order, state in self._rows(SHIPMENTS):
            shipments.setdefault(plain(order), []).append(state)
        return Told(
            published=sum(map(self._count, PUBLISHED)),
            delivered=sum(map(self._count, DELIVERED)),
            parked=sum(map(self._count, PARKED)),
            sagas=dict(sagas),
            shipments=shipments,
            notifications=Counter(
                (plain(order), kind)
                for order, kind, channel in self._rows(NOTIFICATIONS)
                if channel == "email"
            ),
            charged={plain(order): paid for order, paid in self._backstage.charged().items()},
            unfinished=unfinished,
        )

    def _count(self, query: str) -> int:
        return self._asked("monolith", query)

    def _asked(self, database: str, query: str) -> int:
        ((count,),) = self._databases.rows(database, query)
        return int(count or 0)

    def _rows(self, query: str) -> Iterable[Any]:
        return self._databases.rows("monolith", query)


def hold_against(told: Told, orders: Iterable[FoundOrder]) -> Reckoning:
    """Hold what was told and paid against the orders.

    Each confirmed order is paid for, sent and told of, once; nothing else costs anybody anything.
    """
    found = Reckoning(lost=[], twice=[], differing=[])
    for order in orders:
        due = order.total if order.state == "confirmed" else Decimal(0)
        paid = told.charged.get(plain(order.id), Decimal(0))
        if paid != due:
            found.differing.append(f"order {order.id}: {due} is due, and {paid} was charged")
        if order.state in {"confirmed", "cancelled"}:
            _once(
                found, f"the shipment of {order.id}", len(told.shipments.get(plain(order.id), ()))
            )
            mails = told.notifications.get((plain(order.id), "order_confirmed"), 0)
            _once(found, f"the mail about {order.id}", mails)
    found.lost.extend(f"{count} {what}" for what, count in told.unfinished.items())
    if told.parked:
        found.lost.append(f"{told.parked} events are parked")
    for state in ("stuck", "abandoned"):
        if count := told.sagas.get(state, 0):
            found.lost.append(f"{count} sagas are {state}")
    return found


def _once(found: Reckoning, what: str, times: int) -> None:
    if times == 0:
        found.lost.append(what)
    elif times > 1:
        found.twice.append(f"{what}, {times} times")


def plain(identifier: object) -> str:
    """A UUID as SQLite keeps it."""
    return str(identifier).replace("-", "")
