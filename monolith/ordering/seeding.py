"""Fills ordering: believable orders, placed as customers place them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from contracts.identity import Role
from contracts.ordering import Line, OrderRejected, StillPlacing
from monolith.ordering.models import Order
from monolith.ordering.service import OrderingService
from strangler.ports.context import User, current, use

COUNTRIES = ("DE", "DE", "DE", "FR", "NL", "AT", "IT")
CANCELLED = 0.05
"""The share of orders that customers think better of."""


def fill(
    orders: int,
    *,
    customers: Sequence[str],
    skus: Sequence[str],
    seed: int,
    advance: Callable[[int], object],
) -> None:
    """Place so many orders of these customers for these SKUs; ``advance`` hears of each.

    What is out of stock is rejected, as it would be for anybody; what takes too long on a busy
    machine is left to the sweeper.
    """
    service = OrderingService()
    start = Order.objects.count()
    for number in range(start, start + orders):
        random = Random(f"{seed}/ordering/{number}")  # noqa: S311 -- the same each time is the point
        customer = User(id=random.choice(customers), roles=(Role.CUSTOMER,))
        chosen = random.sample(skus, min(len(skus), random.randint(1, 4)))
        lines = [Line(sku, random.choice((1, 1, 1, 2, 3, 12))) for sku in chosen]
        with use(current().replace(user=customer)):
            try:
                order = service.place(f"seed-{seed}-{number}", lines, random.choice(COUNTRIES))
            except (OrderRejected, StillPlacing):
                pass
            else:
                if random.random() < CANCELLED:
                    service.cancel(order.id)
        advance(1)
