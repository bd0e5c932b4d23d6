"""A small shop, whoever buys in it, and the auditor who knows what it must add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum
from rest_framework.test import APIClient

from contracts.inventory import ReservationState
from contracts.money import Money
from contracts.ordering import OrderState
from monolith.catalog import service as catalog
from monolith.inventory import models as inventory
from monolith.inventory.stocking import adjust
from monolith.ordering import placing
from monolith.ordering.models import Order
from strangler.ports.context import Context, User, use
from tests.monolith.inventory.books import imbalances
from tests.monolith.ordering.faults import Faults

RECEIVED = {"LAMP": 100, "DESK": 3}


@pytest.fixture
def shop(db: None) -> None:
    """Lamps for 10.00 €, three desks for 99.90 €, and chairs that are not stocked."""
    open_shop()


def open_shop() -> None:
    catalog.create_category(path="home", name="Home")
    for sku, amount in (("LAMP", "10.00"), ("DESK", "99.90"), ("CHAIR", "5.00")):
        catalog.create(sku=sku, name=sku, category="home", price=Money(Decimal(amount), "EUR"))
    warehouse = inventory.Warehouse.objects.create(code="near", name="Near")
    for sku, quantity in RECEIVED.items():
        adjust(sku=sku, warehouse=warehouse, delta=quantity, reason=inventory.Reason.RECEIVED)


@pytest.fixture
def audit(shop: None) -> Callable[[], None]:
    """``audit()`` fails unless everything adds up."""
    return audit_shop


@pytest.fixture
def shop_on_postgres(on_postgres: None) -> Callable[[], None]:
    """The same shop on a real PostgreSQL, for every thread; what comes back audits it."""
    open_shop()
    return audit_shop


def audit_shop() -> None:
    """Every order has what its state says; the stock is what was received less what was sold."""
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
    on_hand = dict(inventory.Stock.objects.order_by().values_list("sku").annotate(Sum("on_hand")))
    assert on_hand == {sku: number - sold[sku] for sku, number in RECEIVED.items()}


@pytest.fixture
def as_cleo(user: Callable[..., Any]) -> Iterator[User]:
    """Everything in the test is done for Cleo."""
    cleo = user("cleo")
    with use(Context(user=User(str(cleo.pk), tuple(cleo.roles)))) as context:
        assert context.user is not None
        yield context.user


@pytest.fixture
def clients(
    user: Callable[..., Any], client_of: Callable[[Any], APIClient]
) -> dict[str, APIClient]:
    """``cleo`` and ``carl`` are customers, ``stan`` is staff."""
    return {
        "cleo": client_of(user("cleo")),
        "carl": client_of(user("carl")),
        "stan": client_of(user("stan", is_staff=True)),
    }


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    """Pricing and inventory as ordering calls them, but for the faults that a test puts here."""
    faults = Faults()
    monkeypatch.setattr(placing, "prices", faults.on(placing.prices))
    monkeypatch.setattr(placing, "inventory", faults.on(placing.inventory))
    return faults


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
