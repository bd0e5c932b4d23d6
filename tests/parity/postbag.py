"""What customers were told, the same on both arms of notifications."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Column, MetaData, Table, create_engine, insert, select, text

from contracts.notifications import Channel, Kind, NotificationState
from extracted.notifications.models import Base, Notification
from extracted.notifications.transfer import tables
from strangler.sqlalchemy.database import Database, address

URL = "/api/notifications"
ORDERS = [UUID(int=number) for number in range(1, 10)]
BEGAN = datetime(2026, 11, 1, 12, tzinfo=UTC)
MAP = next(one for one in tables if one.source == "notifications_notification")


def filled(monolith: str) -> None:
    """Tell the customer of the shop of each order, and somebody else of the last one."""
    engine = create_engine(address(monolith))
    with engine.begin() as connection:
        ida = text("SELECT id FROM identity_user WHERE username = 'ida'")
        customer = str(UUID(str(connection.execute(ida).scalar_one())))
        rows = [
            _row(number, order, kind, channel, customer if order != ORDERS[-1] else "somebody")
            for number, (order, kind, channel) in enumerate(
                (order, kind, channel)
                for order in ORDERS
                for kind in (Kind.ORDER_CONFIRMED, Kind.SHIPMENT_SENT)
                for channel in Channel
            )
        ]
        connection.execute(insert(_source()), rows)
    engine.dispose()


def _row(number: int, order: UUID, kind: Kind, channel: Channel, customer: str) -> dict[str, Any]:
    state = list(NotificationState)[number % 4]
    moment = BEGAN + timedelta(seconds=number // 3, microseconds=number % 2 * 120)
    open_ = state in {NotificationState.PENDING, NotificationState.FAILED}
    return {
        "id": UUID(int=(number * 7919 % 101) << 8),
        "order": order,
        "customer": customer,
        "kind": kind.value,
        "channel": channel.value,
        "data": {"carrier": "Fig Post 🌱"},
        "state": state.value,
        "attempts": number % 4,
        "due_at": moment if open_ else None,
        "token": None,
        "reason": "the mail server says 550 nö" if number % 4 > 1 else "",
        "happened_at": moment,
        "created_at": moment,
        "sent_at": moment + timedelta(minutes=1) if state == NotificationState.SENT else None,
    }


def _source() -> Table:
    """The monolith's table; whatever is copied has the same type on both sides."""
    made = Base.metadata.tables[Notification.__tablename__]
    (target,) = MAP.targets
    columns = {theirs: made.c[mine] for mine, theirs in target.copied.items()}
    return Table(MAP.source, MetaData(), *(Column(name, c.type) for name, c in columns.items()))


def carry(monolith: str, service: Database) -> int:
    """Fill the service's empty database; returns how many rows of the monolith there were."""
    carried = 0
    engine = create_engine(address(monolith))
    with engine.connect() as source, service.transaction() as session:
        for row in source.execute(select(_source())).mappings():
            session.execute(insert(Notification).values(**MAP.up(row)["notification"]))
            carried += 1
    engine.dispose()
    return carried
