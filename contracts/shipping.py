"""What has been sent to whom, and where it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from strangler.events.declare import event
from strangler.ports.declare import Meta, Port, command, query
from strangler.ports.errors import DeclaredError


class ShipmentState(StrEnum):
    """``preparing`` is sent, and then delivered; an order that is cancelled ends otherwise.

    ``cancelled`` never left the house; ``returning`` had left it, and is to come back.
    """

    PREPARING = "preparing"
    SENT = "sent"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    RETURNING = "returning"


@dataclass(frozen=True, slots=True)
class ShipmentLine:
    """How many of a SKU are in it."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Shipment:
    """What is sent for one order.

    Without lines and country where the order was cancelled before anybody knew what to send;
    without a carrier and a tracking number until it has been handed over.
    """

    order: UUID
    customer: str
    state: ShipmentState
    lines: list[ShipmentLine]
    country: str | None
    carrier: str | None
    tracking: str | None
    created_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None


@event("shipping.shipment.sent", key="order")
@dataclass(frozen=True, slots=True)
class ShipmentSent:
    """What a customer has bought is on its way."""

    order: UUID
    customer: str
    carrier: str
    tracking: str
    sent_at: datetime


@event("shipping.shipment.delivered", key="order")
@dataclass(frozen=True, slots=True)
class ShipmentDelivered:
    """What a customer has bought has arrived."""

    order: UUID
    customer: str
    delivered_at: datetime


class NotAuthenticated(DeclaredError, status=401):
    """Shipments belong to users, and this call is made for none."""


class NotAllowed(DeclaredError, status=403):
    """Only staff say what becomes of a shipment."""


class UnknownShipment(DeclaredError, status=404):
    """This customer has no shipment for this order."""

    order: UUID


class NotSendable(DeclaredError, status=409):
    """A shipment in this state is not handed over."""

    order: UUID
    state: ShipmentState


class NotDeliverable(DeclaredError, status=409):
    """A shipment in this state can't have arrived."""

    order: UUID
    state: ShipmentState


class AlreadyDelivered(DeclaredError, status=409):
    """It has arrived: nobody can call it off any more."""

    order: UUID


class Shipping(Port, capability="shipping"):
    """What has been sent to whom. The customer is the user whom the call is made for."""

    @query(timeout=1.0, raises=[NotAuthenticated, UnknownShipment])
    def shipment(self, order: UUID) -> Shipment:
        """What is sent for one of the customer's own orders; staff see everybody's."""

    @query(timeout=1.0, raises=[NotAuthenticated])
    def shipments(self, orders: Annotated[list[UUID], Meta(max_length=100)]) -> list[Shipment]:
        """What is sent for these orders, in that order; what the user may not see is left out."""

    @command(idempotent=True, raises=[NotAuthenticated, NotAllowed, UnknownShipment, NotSendable])
    def hand_over(self, order: UUID) -> Shipment:
        """Give it to a carrier, which gives it a number; again: the same number.

        It takes a user who is staff.
        """

    @command(idempotent=True, raises=[NotAuthenticated, UnknownShipment, AlreadyDelivered])
    def call_off(self, order: UUID) -> Shipment:
        """Keep it here, or have it come back; from then on it is not delivered. Again: the same.

        Customers do this with their own orders, staff with everybody's. That holds for an order of
        which nobody has told shipping yet.
        """

    @command(
        idempotent=True, raises=[NotAuthenticated, NotAllowed, UnknownShipment, NotDeliverable]
    )
    def delivered(self, order: UUID) -> Shipment:
        """It has arrived; again: it has. It takes a user who is staff."""
