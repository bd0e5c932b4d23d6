"""Of what customers are told: each event, and what is said of it."""

from __future__ import annotations

from contracts.notifications import Kind
from contracts.ordering import OrderCancelled, OrderConfirmed
from contracts.shipping import ShipmentDelivered, ShipmentSent
from extracted.notifications.telling import Tell
from strangler.events.subscribe import Handlers


def handling(tell: Tell) -> Handlers:
    """The handlers, by which it is told so."""
    handlers = Handlers("notifications")

    @handlers.on
    def confirmed(event: OrderConfirmed) -> None:
        """What they have bought, and for how much."""
        data = {
            "lines": [{"sku": line.sku, "quantity": line.quantity} for line in event.lines],
            "total": f"{event.total:f}",
            "currency": event.currency,
        }
        tell(
            Kind.ORDER_CONFIRMED,
            order=event.order,
            customer=event.customer,
            happened=event.confirmed_at,
            data=data,
        )

    @handlers.on
    def cancelled(event: OrderCancelled) -> None:
        """That it is as they wished."""
        tell(
            Kind.ORDER_CANCELLED,
            order=event.order,
            customer=event.customer,
            happened=event.cancelled_at,
            data={},
        )

    @handlers.on
    def sent(event: ShipmentSent) -> None:
        """Whom to ask where it is."""
        tell(
            Kind.SHIPMENT_SENT,
            order=event.order,
            customer=event.customer,
            happened=event.sent_at,
            data={"carrier": event.carrier, "tracking": event.tracking},
        )

    @handlers.on
    def delivered(event: ShipmentDelivered) -> None:
        """That it has arrived."""
        tell(
            Kind.SHIPMENT_DELIVERED,
            order=event.order,
            customer=event.customer,
            happened=event.delivered_at,
            data={},
        )

    return handlers
