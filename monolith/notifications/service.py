"""Notifications' port. The customer is the user whom the call is made for."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from contracts.identity import Role
from contracts.notifications import (
    Channel,
    Kind,
    NotAuthenticated,
    Notification,
    Notifications,
    NotificationState,
)
from monolith.notifications import models
from strangler.ports.context import User, current


class NotificationsService(Notifications):
    """What customers have been told of."""

    def notifications(self, order: UUID) -> list[Notification]:
        """What the customer has been told of an order, the oldest first."""
        user = current().user
        if user is None:
            raise NotAuthenticated
        rows = visible(user).filter(order=order).order_by("created_at", "channel", "id")
        return [shown(row) for row in rows]


def visible(user: User) -> QuerySet[models.Notification]:
    """The notifications that a user may see: their own; staff see all."""
    rows = models.Notification.objects.all()
    return rows if Role.STAFF in user.roles else rows.filter(customer=user.id)


def shown(row: models.Notification) -> Notification:
    """A notification as its customer sees it."""
    return Notification(
        id=row.id,
        order=row.order,
        customer=row.customer,
        kind=Kind(row.kind),
        channel=Channel(row.channel),
        state=NotificationState(row.state),
        attempts=row.attempts,
        reason=row.reason or None,
        created_at=row.created_at,
        sent_at=row.sent_at,
    )
