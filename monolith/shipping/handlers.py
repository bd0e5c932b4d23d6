"""What shipping does about orders. It asks nobody: all that it needs is in what it is told."""

from __future__ import annotations

from contracts.ordering import OrderCancelled, OrderConfirmed
from monolith.shipping import sending
from strangler.events.subscribe import Handlers

handlers = Handlers("shipping")


@handlers.on
def confirmed(event: OrderConfirmed) -> None:
    """Prepare what was bought."""
    sending.prepare(event.order, customer=event.customer, country=event.country, lines=event.lines)


@handlers.on
def cancelled(event: OrderCancelled) -> None:
    """Keep it here, or have it come back; mostly ordering has asked for that before."""
    sending.cancelled(event.order, customer=event.customer)
