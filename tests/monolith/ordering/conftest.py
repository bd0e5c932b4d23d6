"""A small shop, whoever buys in it, and the auditor who knows what it must add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db.models import F, Sum
from rest_framework.test import APIClient

from contracts.inventory import ReservationState
from contracts.money import Money
from contracts.ordering import OrderState
from contracts.payments import PaymentState
from monolith.catalog import service as catalog
from monolith.inventory import models as inventory
from monolith.inventory.stocking import adjust
from monolith.ordering import cancelling, checkout
from monolith.ordering.models import Order
from monolith.payments.models import Intent
from monolith.payments.providers import connect
from monolith.payments.sandbox.books import Books
from strangler.django.events.models import Outbox
from strangler.django.saga.models import Saga, SagaLock
from strangler.ports.context import Context, User, use
from strangler.saga.machine import State
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
    """Every order has what its state says: goods, money, and what was said of it.

    The stock is what was received less what was sold, and every saga has ended.
    """
    assert imbalances() == []
    unended = Saga.objects.exclude(state__in=[State.COMPLETED, State.COMPENSATED])
    assert not unended.exists(), [(row.name, row.state, row.trouble) for row in unended]
    assert not SagaLock.objects.exists()
    reservations = dict(inventory.Reservation.objects.values_list("order", "state"))
    paid = _paid()
    said = _said()
    sold: Counter[str] = Counter()
    for order in Order.objects.prefetch_related("lines"):
        reserved = reservations.pop(order.id, None)
        kept, told = paid.pop(order.id, Decimal(0)), said.pop(order.id, [])
        assert order.state != OrderState.PLACING
        if order.state == OrderState.CONFIRMED:
            assert reserved == ReservationState.COMMITTED
            assert kept == order.total
            assert told == ["ordering.order.confirmed"]
            sold.update({line.sku: line.quantity for line in order.lines.all()})
        else:
            assert reserved in {None, ReservationState.RELEASED}
            assert kept == 0
            cancelled = order.state == OrderState.CANCELLED
            both = ["ordering.order.confirmed", "ordering.order.cancelled"]
            assert told == (both if cancelled else [])
    assert reservations == {}, "goods are kept for orders that there are not"
    assert paid == {}, "money was taken for orders that there are not"
    assert said == {}, "something was said of orders that there are not"
    on_hand = dict(inventory.Stock.objects.order_by().values_list("sku").annotate(Sum("on_hand")))
    assert on_hand == {sku: number - sold[sku] for sku, number in RECEIVED.items()}


def _paid() -> dict[UUID, Decimal]:
    """What the provider has of each order, by its own books; which are what payments says, too."""
    books = Books(settings.PAYMENTS["SANDBOX_BOOKS"], telling=False).shown()
    kept = {
        UUID(key): Decimal(one["charged"]) - Decimal(one["refunded"]) for key, one in books.items()
    }
    for intent in Intent.objects.all():
        taken = intent.state == PaymentState.CAPTURED
        assert kept.get(intent.order, Decimal(0)) == (intent.amount if taken else 0)
    return kept


def _said() -> dict[UUID, list[str]]:
    said: dict[UUID, list[str]] = {}
    for row in Outbox.objects.filter(capability="ordering").order_by("position"):
        said.setdefault(UUID(row.aggregateid), []).append(row.type)
    return said


@pytest.fixture(autouse=True)
def _own_provider(settings: Any, tmp_path: Path) -> Iterator[None]:
    """The sandbox within this process, with books of the test's own."""
    settings.PAYMENTS = {**settings.PAYMENTS, "SANDBOX_BOOKS": tmp_path / "sandbox.sqlite3"}
    yield
    connect._connected.cache_clear()


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
    """The ports as ordering calls them, but for the faults that a test puts here."""
    faults = Faults()
    for port in ("prices", "inventory", "payments"):
        monkeypatch.setattr(checkout, port, faults.on(getattr(checkout, port)))
    monkeypatch.setattr(cancelling, "shipping", faults.on(cancelling.shipping))
    return faults


@pytest.fixture
def time_passes(db: None) -> Callable[[timedelta], None]:
    """All that sagas know of the time moves into the past."""

    def pass_(span: timedelta) -> None:
        seconds = span.total_seconds()
        Saga.objects.update(due=F("due") - seconds, deadline=F("deadline") - seconds)

    return pass_
