"""Code that uses what the models hang on."""

from __future__ import annotations

from tangled.people.models import User
from tangled.sales.models import Order


def spent(user: User) -> list[str]:
    """Uses the relation in every way that syntax shows, and its key in one that stays."""
    orders = Order.objects.select_related("customer").filter(customer__email=user.email)
    names = [order.customer.email for order in orders.order_by("-customer")]
    mine = user.purchases.filter(customer_id=user.pk)
    return [*names, *(str(order.number) for order in mine)]
