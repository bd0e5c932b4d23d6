"""Orders that were under way before there were sagas are carried over to them, and end as such."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from contracts import inventory as stock
from contracts.ordering import Line, OrderRejected, OrderState
from monolith.inventory.service import InventoryService
from monolith.ordering.models import Order
from monolith.ordering.service import OrderingService
from strangler.django.saga import sweep
from strangler.django.saga.models import SagaLock
from strangler.ports.context import Context, User, use
from tests.monolith.ordering.conftest import open_shop

NOW = datetime(2026, 1, 1, tzinfo=UTC)
inventory = InventoryService()
PRICED = {
    "currency": "EUR", "scale": 2, "subtotal": Decimal(20), "discount": Decimal(0),
    "tax": Decimal("3.8"), "rounding": Decimal(0), "total": Decimal("23.8"),
}  # fmt: skip


def migrate(to: str) -> Any:
    executor = MigrationExecutor(connection)
    executor.migrate([("ordering", to)])
    return executor.loader.project_state([("ordering", to)]).apps


def order(apps: Any, key: str, **columns: Any) -> UUID:
    rows, lines = (apps.get_model("ordering", name).objects for name in ("Order", "OrderLine"))
    row = rows.create(
        id=uuid4(), customer="cleo", key=key, country="DE", placed_at=NOW, leased_until=NOW,
        **columns,
    )  # fmt: skip
    priced = {"unit_price": Decimal(10), "discount": Decimal(0), "total": Decimal(20)}
    lines.create(
        order=row, position=0, sku="LAMP", quantity=2, **(priced if "total" in columns else {})
    )
    return row.id


def carried_over() -> None:
    open_shop()
    before = migrate("0001_initial")
    kept = [stock.Item("LAMP", 2)]
    unpriced = order(before, "unpriced")
    priced = order(before, "priced", **PRICED)
    taken = order(before, "taken", **PRICED)
    gone = order(before, "gone", **PRICED)
    owing = {"owing": True, "cause": "OutOfStock", "reason": "There was none."}
    rejected = order(before, "rejected", state="rejected", **owing, **PRICED)
    cancelled = order(before, "cancelled", state="cancelled", owing=True, **PRICED)
    done = order(before, "done", state="rejected", cause="X", reason="Y")
    for reserved in (priced, taken, rejected, cancelled):
        inventory.reserve(reserved, kept)
    inventory.commit(taken)
    inventory.commit(cancelled)
    inventory.release(gone)

    migrate("0003_events")
    assert SagaLock.objects.count() == 6
    assert sweep() == 6

    states = {str(row.id): row.state for row in Order.objects.all()}
    assert states == {
        str(unpriced): "confirmed",
        str(priced): "confirmed",
        str(taken): "confirmed",
        str(gone): "rejected",
        str(rejected): "rejected",
        str(cancelled): "cancelled",
        str(done): "rejected",
    }
    was = Order.objects.get(pk=rejected)
    assert (was.cause, was.reason) == ("OutOfStock", "There was none.")
    assert Order.objects.get(pk=taken).total == Decimal("23.8")
    with use(Context(user=User("cleo", ("customer",)))):
        again = OrderingService().place("taken", [Line("LAMP", 2)], "DE")
        assert (again.id, again.state) == (taken, OrderState.CONFIRMED)
        with pytest.raises(OrderRejected):
            OrderingService().place("gone", [Line("LAMP", 2)], "DE")


@pytest.mark.django_db(transaction=True)
def test_nothing_is_lost():
    try:
        carried_over()
    finally:
        migrate("0003_events")


@pytest.mark.postgres
def test_nothing_is_lost_on_postgres(on_postgres: None):
    carried_over()
