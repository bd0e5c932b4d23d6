"""What orders were paid with, and what went back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from contracts.money import Money
from strangler.ports.declare import Meta, Port, command, query
from strangler.ports.errors import DeclaredError


class PaymentState(StrEnum):
    """``created`` and ``authorised`` end as one of the others, ``refunding`` as one of the last.

    Money has been taken in ``captured``, and perhaps in ``refunding``, where it is on its way back.
    ``voided`` ended before anything was taken.
    """

    CREATED = "created"
    AUTHORISED = "authorised"
    CAPTURED = "captured"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    DECLINED = "declined"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True)
class Payment:
    """What one order was paid with.

    Without an amount, a method and perhaps a customer, where it was refunded before it was charged.
    ``reason`` says why it was declined, or why it ended.
    """

    order: UUID
    customer: str | None
    state: PaymentState
    amount: Money | None
    method: str | None
    reason: str | None
    created_at: datetime


class NotAuthenticated(DeclaredError, status=401):
    """Payments belong to users, and this call is made for none."""


class InvalidAmount(DeclaredError, status=400):
    """This can't be charged."""

    order: UUID
    reason: str


class Declined(DeclaredError, status=409):
    """Whoever keeps the customer's money does not give it; nothing is taken for this order."""

    order: UUID
    reason: str


class PaymentEnded(DeclaredError, status=409):
    """This payment has been given back, or ended before anything was taken."""

    order: UUID
    state: PaymentState


class PaymentDiffers(DeclaredError, status=409):
    """Something else was charged for this order before."""

    order: UUID


class UnknownPayment(DeclaredError, status=404):
    """This customer has no payment for this order."""

    order: UUID


class Payments(Port, capability="payments"):
    """What orders were paid with. The customer is the user whom the call is made for."""

    @query(timeout=1.0, raises=[NotAuthenticated, UnknownPayment])
    def payment(self, order: UUID) -> Payment:
        """What one of the customer's own orders was paid with; staff see everybody's."""

    @command(
        idempotent=True,
        timeout=5.0,
        raises=[NotAuthenticated, InvalidAmount, Declined, PaymentEnded, PaymentDiffers],
    )
    def charge(
        self,
        order: UUID,
        amount: Money,
        method: Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")],
    ) -> Payment:
        """Take this amount for an order, once; again for one order: the same answer.

        ``method`` is what the provider knows the customer's means of payment by; what is another
        customer's is ``Declined``. Where nobody can say yet whether the money was taken, it is
        found out: ask again, or refund.
        """

    @command(idempotent=True, timeout=5.0, raises=[UnknownPayment])
    def refund(self, order: UUID) -> Payment:
        """Give back what was taken for an order, or let it go; nothing is taken later.

        That holds for an order that has been charged nothing yet: a ``charge`` that was delayed on
        its way and arrives after its ``refund`` is refused. The customer, staff, and whoever calls
        for no user may do this.
        """
