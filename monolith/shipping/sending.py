"""What becomes of a shipment, and why: each of these is one short transaction, or within one.

The row of a shipment is locked before anything is decided about it. An order that is cancelled
before it has been heard of leaves a row too: so whatever comes first, both sides of a race meet.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from contracts.ordering import SoldLine
from contracts.shipping import (
    AlreadyDelivered,
    NotDeliverable,
    NotSendable,
    ShipmentDelivered,
    ShipmentSent,
    ShipmentState,
    UnknownShipment,
)
from monolith.shipping.carriers import carrier, number
from monolith.shipping.models import Shipment, ShipmentLine, ShipmentVersion
from strangler.django.events.publishing import Publisher

events = Publisher(ShipmentVersion)


@transaction.atomic
def prepare(order: UUID, *, customer: str, country: str, lines: Iterable[SoldLine]) -> None:
    """See that there is a shipment for a confirmed order, unless it was cancelled before."""
    row, new = Shipment.objects.select_for_update().get_or_create(
        order=order,
        defaults={"customer": customer, "country": country, "state": ShipmentState.PREPARING},
    )
    if new:
        ShipmentLine.objects.bulk_create(
            ShipmentLine(shipment=row, position=position, sku=line.sku, quantity=line.quantity)
            for position, line in enumerate(lines)
        )


@transaction.atomic
def call_off(order: UUID, *, customer: str, own: str | None) -> Shipment:
    """See that an order is not delivered any more: ordering asks before it cancels.

    Args:
        order: what is called off; one that nobody has told of yet is remembered.
        customer: who asks.
        own: the customer whose shipments alone may be called off; None for everybody's.

    Raises:
        AlreadyDelivered, UnknownShipment: see each of them.
    """
    row = _turned(order, customer)
    if own is not None and row.customer != own:
        raise UnknownShipment(order=order)
    if row.state == ShipmentState.DELIVERED:
        raise AlreadyDelivered(order=order)
    return row


@transaction.atomic
def cancelled(order: UUID, *, customer: str) -> None:
    """An order is cancelled, whatever has become of it: it stays, or comes back."""
    row = _turned(order, customer)
    if row.state == ShipmentState.DELIVERED:
        row.state = ShipmentState.RETURNING
        row.save(update_fields=["state", "updated_at"])


def _turned(order: UUID, customer: str) -> Shipment:
    """What has not left the house stays, and what is on its way comes back."""
    row, _ = Shipment.objects.select_for_update().get_or_create(
        order=order, defaults={"customer": customer, "state": ShipmentState.CANCELLED}
    )
    turns = {
        ShipmentState.PREPARING: ShipmentState.CANCELLED,
        ShipmentState.SENT: ShipmentState.RETURNING,
    }
    state = turns.get(ShipmentState(row.state))
    if state is not None:
        row.state = state
        row.save(update_fields=["state", "updated_at"])
    return row


@transaction.atomic
def hand_over(order: UUID) -> Shipment:
    """Give it to a carrier, and say so; what has been handed over is left as it is.

    Raises:
        UnknownShipment, NotSendable: see each of them.
    """
    row = _locked(order)
    if row.sent_at is not None:
        return row
    if row.state != ShipmentState.PREPARING:
        raise NotSendable(order=order, state=ShipmentState(row.state))
    row.state, row.sent_at = ShipmentState.SENT, timezone.now()
    row.carrier, row.tracking = carrier(row.country), number()
    row.save(update_fields=["state", "carrier", "tracking", "sent_at", "updated_at"])
    events.publish(
        ShipmentSent(
            order=order,
            customer=row.customer,
            carrier=row.carrier,
            tracking=row.tracking,
            sent_at=row.sent_at,
        )
    )
    return row


@transaction.atomic
def deliver(order: UUID) -> Shipment:
    """It has arrived, and that is said; what has arrived before is left as it is.

    Raises:
        UnknownShipment, NotDeliverable: see each of them.
    """
    row = _locked(order)
    if row.delivered_at is not None:
        return row
    if row.state != ShipmentState.SENT:
        raise NotDeliverable(order=order, state=ShipmentState(row.state))
    row.state, row.delivered_at = ShipmentState.DELIVERED, timezone.now()
    row.save(update_fields=["state", "delivered_at", "updated_at"])
    events.publish(
        ShipmentDelivered(order=order, customer=row.customer, delivered_at=row.delivered_at)
    )
    return row


def _locked(order: UUID) -> Shipment:
    row = Shipment.objects.select_for_update().filter(pk=order).first()
    if row is None:
        raise UnknownShipment(order=order)
    return row
