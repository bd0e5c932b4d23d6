"""Payments' port. The customer is the user whom the call is made for."""

from __future__ import annotations

from uuid import UUID

from contracts.identity import Role
from contracts.money import Money
from contracts.payments import (
    NotAuthenticated,
    Payment,
    Payments,
    PaymentState,
    UnknownPayment,
)
from monolith.payments import models
from monolith.payments.charging import charge, refund
from strangler.ports.context import User, current


class PaymentsService(Payments):
    """What orders were paid with."""

    def payment(self, order: UUID) -> Payment:
        """What one of the customer's own orders was paid with; staff see everybody's."""
        user = _user()
        rows = models.Intent.objects.filter(pk=order)
        if Role.STAFF not in user.roles:
            rows = rows.filter(customer=user.id)
        row = rows.first()
        if row is None:
            raise UnknownPayment(order=order)
        return shown(row)

    def charge(self, order: UUID, amount: Money, method: str) -> Payment:
        """Take this amount, once: see ``charging``."""
        return shown(charge(customer=_user().id, order=order, amount=amount, method=method))

    def refund(self, order: UUID) -> Payment:
        """Give back what was taken, or see that nothing is taken later: see ``charging``."""
        user = current().user
        if user is None or Role.STAFF in user.roles:
            return shown(refund(order, by=user.id if user else "", own=None))
        return shown(refund(order, by=user.id, own=user.id))


def shown(row: models.Intent) -> Payment:
    """A payment as its customer sees it."""
    return Payment(
        order=row.order,
        customer=row.customer or None,
        state=PaymentState(row.state),
        amount=row.money,
        method=row.method or None,
        reason=row.reason or None,
        created_at=row.created_at,
    )


def _user() -> User:
    user = current().user
    if user is None:
        raise NotAuthenticated
    return user
