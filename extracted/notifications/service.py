"""Notifications' port. The customer is the user whom the call is made for."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, select

from contracts.identity import Role
from contracts.notifications import (
    Channel,
    Kind,
    NotAuthenticated,
    Notification,
    Notifications,
    NotificationState,
)
from extracted.notifications import models
from strangler.ports.context import User, current
from strangler.sqlalchemy.database import Database


class NotificationsService(Notifications):
    """What customers have been told of."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def notifications(self, order: UUID) -> list[Notification]:
        """What the customer has been told of an order, the oldest first."""
        user = current().user
        if user is None:
            raise NotAuthenticated
        row = models.Notification
        rows = visible(user).where(row.order_id == order)
        with self._database.reading() as session:
            found = session.scalars(rows.order_by(row.created_at, row.channel, row.id))
            return [shown(one) for one in found]


def visible(user: User) -> Select[models.Notification]:
    """The notifications that a user may see: their own; staff see all."""
    rows = select(models.Notification)
    if Role.STAFF in user.roles:
        return rows
    return rows.where(models.Notification.customer == user.id)


def shown(row: models.Notification) -> Notification:
    """A notification as its customer sees it."""
    return Notification(
        id=row.id,
        order=row.order_id,
        customer=row.customer,
        kind=Kind(row.kind),
        channel=Channel(row.channel),
        state=NotificationState(row.state),
        attempts=row.attempts,
        reason=row.reason or None,
        created_at=row.created_at,
        sent_at=row.sent_at,
    )
