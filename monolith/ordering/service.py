"""Ordering's port. The customer is the user whom the call is made for."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from contracts.identity import Role
from contracts.ordering import (
    Line,
    NotAuthenticated,
    NotCancellable,
    Order,
    Ordering,
    OrderLine,
    OrderState,
    UnknownOrder,
)
from monolith.ordering import models
from monolith.ordering.placing import give_back, place
from strangler.ports.context import User, current


class OrderingService(Ordering):
    """What customers have ordered."""

    def order(self, order: UUID) -> Order:
        """One of the customer's own orders; staff see everybody's."""
        user = _user()
        rows = models.Order.objects.prefetch_related("lines")
        if Role.STAFF not in user.roles:
            rows = rows.filter(customer=user.id)
        row = rows.filter(pk=order).first()
        if row is None:
            raise UnknownOrder(order=order)
        return shown(row)

    def place(self, key: str, lines: list[Line], country: str, coupon: str | None = None) -> Order:
        """Place an order, or carry on with the one that has this key: see ``placing``."""
        placed = place(customer=_user().id, key=key, lines=lines, country=country, coupon=coupon)
        return shown(placed.row)

    def cancel(self, order: UUID) -> Order:
        """Cancel, and have the goods given back; should that fail now, it is done later."""
        row = self._cancel(order, _user().id)
        if row.owing:
            give_back(row)
        return shown(row)

    @transaction.atomic
    def _cancel(self, order: UUID, customer: str) -> models.Order:
        rows = models.Order.objects.select_for_update()
        row = rows.filter(pk=order, customer=customer).first()
        if row is None:
            raise UnknownOrder(order=order)
        if row.state == OrderState.CONFIRMED:
            row.state = OrderState.CANCELLED
            row.owing = True
            row.save(update_fields=["state", "owing", "updated_at"])
        elif row.state != OrderState.CANCELLED:
            raise NotCancellable(order=order, state=OrderState(row.state))
        return row


def shown(row: models.Order) -> Order:
    """An order as its customer sees it."""
    return Order(
        id=row.id,
        customer=row.customer,
        state=OrderState(row.state),
        lines=[
            OrderLine(
                sku=line.sku,
                quantity=line.quantity,
                unit_price=row.written(line.unit_price),
                discount=row.written(line.discount),
                total=row.written(line.total),
            )
            for line in row.lines.all()
        ],
        country=row.country,
        coupon=row.coupon,
        currency=row.currency or None,
        subtotal=row.written(row.subtotal),
        discount=row.written(row.discount),
        tax=row.written(row.tax),
        rounding=row.written(row.rounding),
        total=row.written(row.total),
        reason=row.reason or None,
        placed_at=row.placed_at,
    )


def _user() -> User:
    user = current().user
    if user is None:
        raise NotAuthenticated
    return user
