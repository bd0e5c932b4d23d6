"""Shipping's port. The customer is the user whom the call is made for."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from contracts.identity import Role
from contracts.shipping import (
    NotAllowed,
    NotAuthenticated,
    Shipment,
    ShipmentLine,
    ShipmentState,
    Shipping,
    UnknownShipment,
)
from monolith.shipping import models, sending
from strangler.ports.context import User, current


class ShippingService(Shipping):
    """What has been sent to whom."""

    def shipment(self, order: UUID) -> Shipment:
        """What is sent for one of the customer's own orders; staff see everybody's."""
        row = visible(_user()).filter(pk=order).first()
        if row is None:
            raise UnknownShipment(order=order)
        return shown(row)

    def shipments(self, orders: list[UUID]) -> list[Shipment]:
        """What is sent for these orders, in that order."""
        found = visible(_user()).in_bulk(orders)
        return [shown(found[order]) for order in orders if order in found]

    def call_off(self, order: UUID) -> Shipment:
        """Keep it here, or have it come back: see ``sending``."""
        user = _user()
        own = None if Role.STAFF in user.roles else user.id
        return shown(sending.call_off(order, customer=user.id, own=own))

    def hand_over(self, order: UUID) -> Shipment:
        """Give it to a carrier: see ``sending``."""
        _check_staff()
        return shown(sending.hand_over(order))

    def delivered(self, order: UUID) -> Shipment:
        """It has arrived: see ``sending``."""
        _check_staff()
        return shown(sending.deliver(order))


def visible(user: User) -> QuerySet[models.Shipment]:
    """The shipments that a user may see: their own; staff see all."""
    rows = models.Shipment.objects.prefetch_related("lines")
    return rows if Role.STAFF in user.roles else rows.filter(customer=user.id)


def shown(row: models.Shipment) -> Shipment:
    """A shipment as its customer sees it."""
    return Shipment(
        order=row.order,
        customer=row.customer,
        state=ShipmentState(row.state),
        lines=[ShipmentLine(sku=line.sku, quantity=line.quantity) for line in row.lines.all()],
        country=row.country or None,
        carrier=row.carrier or None,
        tracking=row.tracking or None,
        created_at=row.created_at,
        sent_at=row.sent_at,
        delivered_at=row.delivered_at,
    )


def _user() -> User:
    user = current().user
    if user is None:
        raise NotAuthenticated
    return user


def _check_staff() -> None:
    if Role.STAFF not in _user().roles:
        raise NotAllowed
