"""What customers have been told of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from strangler.ports.declare import Port, query
from strangler.ports.errors import DeclaredError


class Kind(StrEnum):
    """What a customer is told."""

    ORDER_CONFIRMED = "order_confirmed"
    ORDER_CANCELLED = "order_cancelled"
    SHIPMENT_SENT = "shipment_sent"
    SHIPMENT_DELIVERED = "shipment_delivered"


class Channel(StrEnum):
    """How a customer is told."""

    EMAIL = "email"
    WEBHOOK = "webhook"


class NotificationState(StrEnum):
    """``pending`` and ``failed`` are still to be sent; the others are the end.

    ``failed`` is tried again; ``given_up`` never.
    """

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Notification:
    """What a customer is told of an order, by one channel.

    Its ``id`` is the ``Message-ID`` of the mail, or the ``Idempotency-Key`` of the webhook.
    ``reason`` says why it could not be sent.
    """

    id: UUID
    order: UUID
    customer: str
    kind: Kind
    channel: Channel
    state: NotificationState
    attempts: int
    reason: str | None
    created_at: datetime
    sent_at: datetime | None


class NotAuthenticated(DeclaredError, status=401):
    """Notifications belong to users, and this call is made for none."""


class Notifications(Port, capability="notifications"):
    """What customers have been told of. The customer is the user whom the call is made for.

    Nobody commands this capability: it listens.
    """

    @query(timeout=1.0, raises=[NotAuthenticated])
    def notifications(self, order: UUID) -> list[Notification]:
        """What the customer has been told of an order, the oldest first; staff see everybody's."""
