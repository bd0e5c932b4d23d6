"""What customers have ordered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from strangler.events.declare import event
from strangler.ports.declare import Meta, Port, command, query
from strangler.ports.errors import DeclaredError


@dataclass(frozen=True, slots=True)
class Line:
    """How many of what."""

    sku: Annotated[str, Meta(min_length=1, max_length=64)]
    quantity: Annotated[int, Meta(ge=1, le=10_000)]


class OrderState(StrEnum):
    """``placing`` while the order is being put together; the others are what a customer sees."""

    PLACING = "placing"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One line as it was sold; without amounts as long as it has not been priced.

    ``name`` is what the product is called now, as far as ordering has been told.
    """

    sku: str
    quantity: int
    unit_price: Decimal | None
    discount: Decimal | None
    total: Decimal | None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One order of one customer; without amounts as long as it has not been priced.

    The amounts are those of the quote that it was sold at. ``reason`` says why it was rejected.
    """

    id: UUID
    customer: str
    state: OrderState
    lines: list[OrderLine]
    country: str
    coupon: str | None
    currency: str | None
    subtotal: Decimal | None
    discount: Decimal | None
    tax: Decimal | None
    rounding: Decimal | None
    total: Decimal | None
    reason: str | None
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class SoldLine:
    """So many of a SKU, at so much in all, without tax."""

    sku: str
    quantity: int
    total: Decimal


@event("ordering.order.confirmed", key="order")
@dataclass(frozen=True, slots=True)
class OrderConfirmed:
    """A customer has bought this: it is paid for, and has left the stock."""

    order: UUID
    customer: str
    country: str
    lines: list[SoldLine]
    currency: str
    total: Decimal
    confirmed_at: datetime


@event("ordering.order.cancelled", key="order")
@dataclass(frozen=True, slots=True)
class OrderCancelled:
    """A customer does not want a confirmed order any more."""

    order: UUID
    customer: str
    cancelled_at: datetime


class NotAuthenticated(DeclaredError, status=401):
    """Orders belong to users, and this call is made for none."""


class UnknownOrder(DeclaredError, status=404):
    """This customer has no such order."""

    order: UUID


class OrderRejected(DeclaredError, status=409):
    """The order can't be placed; nothing is kept or charged. Try again with another key.

    ``cause`` names the error of the contract that stood in the way, such as ``OutOfStock``. It is
    ``DeadlinePassed`` where an answer has been missing for too long, and ``Abandoned`` where the
    shop has given the order up: then it sees by itself to what was kept or charged.
    """

    order: UUID
    cause: str
    reason: str


class KeyReused(DeclaredError, status=409):
    """This idempotency key was used for another order before."""

    key: str


class StillPlacing(DeclaredError, status=409):
    """The first request with this idempotency key is still under way: ask again shortly."""

    key: str


class NotCancellable(DeclaredError, status=409):
    """An order in this state can't be cancelled."""

    order: UUID
    state: OrderState


class AlreadyDelivered(DeclaredError, status=409):
    """What was ordered has arrived at the customer's: the order can't be cancelled any more."""

    order: UUID


class Ordering(Port, capability="ordering"):
    """What customers have ordered. The customer is the user whom the call is made for."""

    @query(timeout=1.0, raises=[NotAuthenticated, UnknownOrder])
    def order(self, order: UUID) -> Order:
        """One of the customer's own orders; staff see everybody's."""

    @command(
        idempotent=True,
        timeout=5.0,
        raises=[NotAuthenticated, OrderRejected, KeyReused, StillPlacing],
    )
    def place(
        self,
        key: Annotated[str, Meta(min_length=1, max_length=128)],
        lines: Annotated[list[Line], Meta(min_length=1, max_length=100)],
        country: Annotated[str, Meta(pattern="^[A-Z]{2}$")],
        coupon: Annotated[str, Meta(min_length=1, max_length=64)] | None = None,
        payment: Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")] | None = None,
    ) -> Order:
        """Quote, reserve, charge, confirm; again with the same key: the same order or rejection.

        Lines of the same SKU are added up. ``payment`` is what the payment provider knows the
        customer's means of payment by; without one, it is the one that the shop takes by default.
        """

    @command(
        idempotent=True, raises=[NotAuthenticated, UnknownOrder, NotCancellable, AlreadyDelivered]
    )
    def cancel(self, order: UUID) -> Order:
        """Cancel one's own confirmed order: its goods go back in stock, and the money goes back."""
