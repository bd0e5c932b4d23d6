"""A seeded shop is one that its own customers could have made."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from monolith.ordering import models, seeding

pytestmark = pytest.mark.django_db


def test_orders_are_placed_as_customers_place_them(audit: Callable[[], None]):
    done: list[int] = []

    def fill(orders: int) -> None:
        seeding.fill(
            orders,
            customers=["cleo", "carl"],
            skus=["LAMP", "DESK"],
            seed=1,
            advance=done.append,
        )

    fill(12)
    first = list(models.Order.objects.order_by("key").values_list("key", "customer", "total"))
    fill(8)

    assert sum(done) == models.Order.objects.count() == 20
    assert set(first) <= set(models.Order.objects.values_list("key", "customer", "total"))
    assert {"confirmed"} < set(models.Order.objects.values_list("state", flat=True))
    audit()
