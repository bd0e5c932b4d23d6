"""A small shop, whoever buys in it, and the auditor who knows what it must add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db.models import Sum
from rest_framework.test import APIClient

from contracts.inventory import Inventory, ReservationState
from contracts.money import Money
from contracts.ordering import OrderState
from contracts.pricing import Pricing
from monolith.catalog import service as catalog
from monolith.inventory import models as inventory
from monolith.inventory.books import imbalances
from monolith.inventory.service import InventoryService
from monolith.inventory.stocking import adjust
from monolith.ordering.models import Order
from monolith.pricing.service import PricingService
from strangler.ports.context import Context, User, use
from tests.monolith.ordering.faults import Faults, registered

RECEIVED = {"LAMP": 20, "DESK": 3}


@pytest.fixture
def shop(db: None) -> None:
    """Lamps for 10.00 €, three desks for 99.90 €, and chairs that are not stocked."""
    catalog.create_category(path="home", name="Home")
    for sku, amount in (("LAMP", "10.00"), ("DESK", "99.90"), ("CHAIR", "5.00")):
        catalog.create(sku=sku, name=sku, category="home", price=Money(Decimal(amount), "EUR"))
    warehouse = inventory.Warehouse.objects.create(code="near", name="Near")
    for sku, quantity in RECEIVED.items():
        adjust(sku=sku, warehouse=warehouse, delta=quantity, reason=inventory.Reason.RECEIVED)


@pytest.fixture
def audit(shop: None) -> Callable[[], None]:
    """Every order has what its state says; the stock is what was received less what was sold."""

    def audit() -> None:
        assert imbalances() == []
        reservations = dict(inventory.Reservation.objects.values_list("order", "state"))
        sold: Counter[str] = Counter()
        for order in Order.objects.prefetch_related("lines"):
            reserved = reservations.pop(order.id, None)
            assert order.state != OrderState.PLACING
            assert not order.owing
            if order.state == OrderState.CONFIRMED:
                assert reserved == ReservationState.COMMITTED
                assert order.total is not None
                sold.update({line.sku: line.quantity for line in order.lines.all()})
            else:
                assert reserved in {None, ReservationState.RELEASED}
        assert reservations == {}, "goods are kept for orders that there are not"
        on_hand = dict(
            inventory.Stock.objects.order_by().values_list("sku").annotate(Sum("on_hand"))
        )
        assert on_hand == {sku: number - sold[sku] for sku, number in RECEIVED.items()}

    return audit


@pytest.fixture
def cleo(db: None) -> User:
    return _user("cleo", is_staff=False)


@pytest.fixture
def as_cleo(cleo: User) -> Iterator[User]:
    """Everything in the test is done for Cleo."""
    with use(Context(user=cleo)):
        yield cleo


@pytest.fixture
def clients(db: None) -> dict[str, APIClient]:
    """``cleo`` and ``carl`` are customers, ``stan`` is staff."""
    return {
        name: _client(_user(name, is_staff=is_staff))
        for name, is_staff in (("cleo", False), ("carl", False), ("stan", True))
    }


def _user(username: str, *, is_staff: bool) -> User:
    row, _ = get_user_model().objects.get_or_create(
        username=username,
        defaults={"email": f"{username}@example.com", "is_staff": is_staff},
    )
    return User(str(row.pk), tuple(row.roles))


def _client(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(get_user_model().objects.get(pk=user.id))
    return client


@pytest.fixture
def faults() -> Iterator[Faults]:
    """Pricing and inventory as they are, but for the faults that a test puts here."""
    faults = Faults()

    class FaultyPricing(PricingService):
        def quote(self, *args: Any) -> Any:
            return faults.call("quote", super().quote, *args)

    class FaultyInventory(InventoryService):
        def reserve(self, *args: Any) -> Any:
            return faults.call("reserve", super().reserve, *args)

        def commit(self, *args: Any) -> Any:
            return faults.call("commit", super().commit, *args)

        def release(self, *args: Any) -> Any:
            return faults.call("release", super().release, *args)

    with registered(Pricing, FaultyPricing()), registered(Inventory, FaultyInventory()):
        yield faults


@pytest.fixture
def time_passes(db: None) -> Callable[[timedelta], None]:
    """All that orders know of the time moves into the past."""

    def pass_(span: timedelta) -> None:
        for order in Order.objects.all():
            Order.objects.filter(pk=order.pk).update(
                leased_until=order.leased_until - span,
                placed_at=order.placed_at - span,
                updated_at=order.updated_at - span,
            )

    return pass_
