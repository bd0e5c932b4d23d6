"""Ordering's port. The customer is the user whom the call is made for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from contracts.identity import Role
from contracts.ordering import (
    Line,
    NotAuthenticated,
    Order,
    Ordering,
    OrderLine,
    OrderState,
    UnknownOrder,
)
from monolith.ordering import models
from monolith.ordering.cancelling import cancel_order
from monolith.ordering.placing import place
from monolith.ordering.products import known_names
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
        return _shown(row)

    def place(
        self,
        key: str,
        lines: list[Line],
        country: str,
        coupon: str | None = None,
        payment: str | None = None,
    ) -> Order:
        """Place an order, or carry on with the one that has this key: see ``placing``."""
        placed = place(
            customer=_user().id,
            key=key,
            lines=lines,
            country=country,
            coupon=coupon,
            payment=payment,
        )
        return _shown(placed.row)

    def cancel(self, order: UUID) -> Order:
        """Cancel, and have goods and money given back: see ``cancelling``."""
        return _shown(cancel_order(order, customer=_user().id))


def shown(rows: Iterable[models.Order]) -> list[Order]:
    """Orders as their customers see them."""
    found = [(row, list(row.lines.all())) for row in rows]
    names = known_names({line.sku for _, lines in found for line in lines})
    return [_order(row, lines, names) for row, lines in found]


def _shown(row: models.Order) -> Order:
    (order,) = shown([row])
    return order


def _order(row: models.Order, lines: Iterable[models.OrderLine], names: Mapping[str, str]) -> Order:
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
                name=names.get(line.sku),
            )
            for line in lines
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
