"""Events as a bus brings them, and as an outbox of the monolith holds them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

from contracts.ordering import OrderCancelled, OrderConfirmed, SoldLine
from strangler.django.models import Outbox
from strangler.events.declare import declared
from strangler.events.envelope import Envelope, envelope, identifier, payload


def confirmed(
    order: UUID | None = None,
    *,
    customer: str = "cleo",
    country: str = "DE",
    at: datetime | None = None,
) -> OrderConfirmed:
    """A customer has bought two lamps and a desk."""
    return OrderConfirmed(
        order=order or uuid4(),
        customer=customer,
        country=country,
        lines=[SoldLine("LAMP", 2, Decimal("20.00")), SoldLine("DESK", 1, Decimal("99.90"))],
        currency="EUR",
        total=Decimal("142.68"),
        confirmed_at=at or datetime.now(UTC),
    )


def cancelled(order: UUID, *, customer: str = "cleo", at: datetime | None = None) -> OrderCancelled:
    """They do not want it any more."""
    return OrderCancelled(order=order, customer=customer, cancelled_at=at or datetime.now(UTC))


def carried(event: object, *, version: int = 1) -> Envelope:
    """An event on its way, with an id of its own."""
    kind = declared(type(event))
    return envelope(
        id=str(identifier()),
        type=kind.name,
        key=kind.key_of(event),
        version=version,
        schema=kind.schema,
        at=datetime.now(UTC),
        payload=payload(event),
        trace=None,
    )


def waiting(capability: str) -> list[Envelope]:
    """What a capability of the monolith has said, in the order in which it will be published."""
    return [
        envelope(
            id=str(row.id),
            type=row.type,
            key=row.aggregateid,
            version=row.version,
            schema=row.schema,
            at=row.at,
            payload=row.payload.encode(),
            trace=row.trace,
        )
        for row in Outbox.objects.filter(capability=capability).order_by("position")
    ]
