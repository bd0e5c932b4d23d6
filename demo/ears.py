"""Looks at what became of what was said, and of what took several steps, past everybody's code."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from demo.backstage import Backstage
from demo.books import Owners
from demo.databases import Databases
from demo.postbox import Postbox
from demo.told import Told, differing, plain

PATIENCE = 30.0
"""Seconds in which everything that was begun has to come to its end."""

OUTBOX = "SELECT count(*) FROM strangler_outbox"
QUEUE = "strangler_queue"
"""The http bus's own, in the database of whoever speaks."""
SPEAKERS = ("monolith", "catalog")
SAGAS_OPEN = "SELECT count(*) FROM strangler_saga WHERE ended IS NULL"
UNSENT = {
    "monolith": "SELECT count(*) FROM notifications_notification WHERE due_at IS NOT NULL",
    "service": "SELECT count(*) FROM notification WHERE due_at IS NOT NULL",
}
WRITTEN = {
    "monolith": """
        SELECT id, attempts, "order", state FROM notifications_notification WHERE channel = 'email'
    """,
    "service": "SELECT id, attempts, order_id, state FROM notification WHERE channel = 'email'",
}
PRODUCT_VERSIONS = {
    "monolith": "SELECT sum(version) FROM catalog_productversion",
    "service": "SELECT sum(version) FROM productversion",
}
PUBLISHED = (
    "SELECT sum(version) FROM ordering_orderversion",
    "SELECT sum(version) FROM shipping_shipmentversion",
)
HEARD = {
    "monolith": "SELECT count(*) FROM notifications_inbox",
    "service": "SELECT count(*) FROM inbox",
}
DELIVERED = ("SELECT count(*) FROM ordering_inbox", "SELECT count(*) FROM shipping_inbox")
PARKED_THERE = {
    "monolith": "SELECT count(*) FROM notifications_parkedevent",
    "service": "SELECT count(*) FROM parked_event",
}
REFUSED = "SELECT count(*) FROM strangler_outbox_parked"
PARKED = (
    "SELECT count(*) FROM ordering_parkedevent",
    "SELECT count(*) FROM shipping_parkedevent",
)
SAGAS = "SELECT name, state, count(*) FROM strangler_saga GROUP BY name, state"
SHIPMENTS = 'SELECT "order", state FROM shipping_shipment'
COPIED = "SELECT sku, name, category, active, version FROM ordering_product WHERE NOT removed"
"""What ordering knows of products, by what it was told."""
SAID = {
    "monolith": """
        SELECT product.sku, product.name, path, active, COALESCE(version, 0)
        FROM catalog_product AS product
        JOIN catalog_category AS category ON category.id = product.category_id
        LEFT JOIN catalog_productversion ON aggregate = 'catalog.product/' || sku
    """,
    "service": """
        SELECT sku, product.title, path, NOT withdrawn, COALESCE(version, 0)
        FROM product JOIN category ON category.id = product.category_id
        LEFT JOIN productversion ON aggregate = 'catalog.product/' || sku
    """,
}
"""The same, by catalog's own word."""


class Ears:
    """Looks into the databases, and into the mailboxes."""

    def __init__(
        self, databases: Databases, backstage: Backstage, postbox: Postbox, owners: Owners
    ) -> None:
        self._databases = databases
        self._backstage = backstage
        self._postbox = postbox
        self._owners = owners

    def unfinished(self) -> dict[str, int]:
        """What is still to be done.

        Looked for in the order in which one leads to the next: what moves on meanwhile is seen
        further down.
        """
        found = {
            "sagas under way": self._count(SAGAS_OPEN),
            "events to be published": sum(self._asked(one, OUTBOX) for one in SPEAKERS),
            "events to be delivered": sum(map(self._queued, SPEAKERS)),
            "events to be taken from the broker": self._backstage.waiting() or 0,
            "mails to be sent": self._notified(UNSENT),
        }
        return {what: count for what, count in found.items() if count}

    def told(self) -> Told:
        """Everything, once all has come to its end, or too much time has gone."""
        until = time.monotonic() + PATIENCE
        while (unfinished := self.unfinished()) and time.monotonic() < until:
            time.sleep(0.1)
        sagas: Counter[str] = Counter()
        for _, state, count in self._rows("monolith", SAGAS):
            sagas[state] += count
        shipments: dict[str, list[str]] = {}
        for order, state in self._rows("monolith", SHIPMENTS):
            shipments.setdefault(plain(order), []).append(state)
        catalog = self._owners.catalog
        written = [*self._of_notifications(WRITTEN)]
        return Told(
            published=sum(map(self._count, PUBLISHED))
            + self._asked(_of("catalog", catalog), PRODUCT_VERSIONS[catalog]),
            delivered=sum(map(self._count, DELIVERED)) + self._notified(HEARD),
            parked=sum(self._asked(one, REFUSED) for one in SPEAKERS)
            + sum(map(self._count, PARKED))
            + self._notified(PARKED_THERE),
            sagas=dict(sagas),
            shipments=shipments,
            mails=self._postbox.arrived,
            begun={plain(one): attempts for one, attempts, _, _ in written},
            written={plain(order): state for _, _, order, state in written},
            copies=differing(
                self._rows(_of("catalog", catalog), SAID[catalog]), self._rows("monolith", COPIED)
            ),
            charged={plain(order): paid for order, paid in self._backstage.charged().items()},
            unfinished=unfinished,
        )

    def _queued(self, speaker: str) -> int:
        if not self._databases.has(speaker, QUEUE):
            return 0
        return self._asked(speaker, f"SELECT count(*) FROM {QUEUE}")  # noqa: S608 - our own name

    def _notified(self, queries: Mapping[str, str]) -> int:
        ((count,),) = self._of_notifications(queries)
        return int(count or 0)

    def _of_notifications(self, queries: Mapping[str, str]) -> Iterable[Any]:
        owner = self._owners.notifications
        return self._rows(_of("notifications", owner), queries[owner])

    def _count(self, query: str) -> int:
        return self._asked("monolith", query)

    def _asked(self, database: str, query: str) -> int:
        ((count,),) = self._rows(database, query)
        return int(count or 0)

    def _rows(self, database: str, query: str) -> Iterable[Any]:
        return self._databases.rows(database, query)


def _of(capability: str, owner: str) -> str:
    """The database in which an owner keeps a capability's rows."""
    return "monolith" if owner == "monolith" else capability
