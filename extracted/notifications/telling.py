"""Writes down what a customer is to be told; nobody outside is asked, and nothing is sent."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.dialects import postgresql, sqlite

from contracts.notifications import Kind, NotificationState
from extracted.notifications.deciding import Wishes, channels, identify
from extracted.notifications.models import Notification, Preference
from extracted.notifications.moments import now
from strangler.sqlalchemy.database import Database

log = logging.getLogger("extracted.notifications")


class Tell(Protocol):
    """Sees that a customer is told this of an order, once, by each channel that they want."""

    def __call__(
        self,
        kind: Kind,
        *,
        order: UUID,
        customer: str,
        happened: datetime,
        data: Mapping[str, Any],
    ) -> None:
        """See to it."""


def telling(database: Database) -> Tell:
    """Who writes it down in this database; within a handler, in the handler's transaction."""

    def tell(
        kind: Kind, *, order: UUID, customer: str, happened: datetime, data: Mapping[str, Any]
    ) -> None:
        moment = now()
        with database.transaction() as session:
            preference = session.get(Preference, customer)
            wishes = preference.wishes if preference else Wishes()
            wanted = channels(kind, wishes, happened=happened, now=moment)
            if not wanted:
                log.info("nobody is told %s of order %s, which was at %s", kind, order, happened)
                return
            rows = [
                {
                    "id": identify(order, kind, channel),
                    "order_id": order,
                    "customer": customer,
                    "kind": kind.value,
                    "channel": channel.value,
                    "data": dict(data),
                    "state": NotificationState.PENDING.value,
                    "attempts": 0,
                    "due_at": moment,
                    "reason": "",
                    "happened_at": happened,
                    "created_at": moment,
                }
                for channel in wanted
            ]
            insert = sqlite.insert if database.sqlite else postgresql.insert
            session.execute(insert(Notification).on_conflict_do_nothing(), rows)

    return tell
