"""Ordering's own copy of products: fed by what catalog says, shown with orders, rebuilt."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from contracts.catalog import ProductChanged, ProductRemoved
from contracts.money import Money
from monolith.catalog import models as catalog
from monolith.catalog import seeding, service
from monolith.ordering import products
from monolith.ordering.models import Inbox, Product
from strangler.cli import run
from strangler.django.events.consuming import consumer
from strangler.django.events.models import Outbox
from strangler.events.declare import declared
from strangler.events.envelope import Envelope, envelope, payload
from tests.monolith.ordering.conftest import open_shop

PRICE = Money(Decimal(1), "EUR")
Known = dict[str, tuple[str, str, bool]]


def carry() -> int:
    """What a relay and a bus do: bring all that was said to whoever listens, and forget it."""
    rows = list(Outbox.objects.filter(capability="catalog").order_by("position"))
    consumer("ordering").take([told(row) for row in rows])
    Outbox.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


def told(row: Outbox) -> Envelope:
    return envelope(
        id=str(row.id),
        type=row.type,
        key=row.aggregateid,
        version=row.version,
        schema=row.schema,
        at=row.at,
        payload=row.payload.encode(),
        trace=row.trace,
    )


def known() -> Known:
    rows = Product.objects.filter(removed=False)
    return {row.sku: (row.name, row.category, row.active) for row in rows}


def sold() -> Known:
    rows = catalog.Product.objects.select_related("category")
    return {row.sku: (row.name, row.category.path, row.active) for row in rows}


def hear(event: object, version: int) -> None:
    """One event, wherever it comes from."""
    kind = declared(type(event))
    heard = envelope(
        id=str(uuid4()),
        type=kind.name,
        key=kind.key_of(event),
        version=version,
        schema=kind.schema,
        at="2026-01-01T00:00:00Z",
        payload=payload(event),
        trace=None,
    )
    consumer("ordering").take([heard])


def changed(name: str) -> ProductChanged:
    return ProductChanged(sku="X-1", name=name, category="home", price=PRICE, active=True)


@pytest.mark.django_db
def test_orders_show_what_catalog_has_said(shop: None, clients: dict[str, APIClient]):
    cleo = clients["cleo"]
    body = {"lines": [{"sku": sku, "quantity": 1} for sku in ("LAMP", "DESK")], "country": "DE"}
    order = cleo.post("/api/ordering/orders", body, headers={"Idempotency-Key": "k"}).json()
    path = f"/api/ordering/orders/{order['id']}"

    def names() -> list[str | None]:
        (listed,) = cleo.get("/api/ordering/orders").json()["results"]
        assert listed == cleo.get(path).json()
        return [line["name"] for line in listed["lines"]]

    assert names() == [None, None]
    assert carry() == 3
    assert names() == ["LAMP", "DESK"]
    service.update("LAMP", name="Räntle's lamp")
    catalog.Product.objects.filter(sku="DESK").delete()
    hear(ProductRemoved("DESK"), 2)
    assert carry() == 1
    assert names() == ["Räntle's lamp", "DESK"], "what is sold no more keeps its name"
    assert known() == sold()


@pytest.mark.django_db
def test_what_is_older_changes_nothing():
    hear(changed("new"), 7)
    hear(changed("old"), 6)
    hear(ProductRemoved("X-1"), 5)
    hear(changed("the same again"), 7)
    assert known() == {"X-1": ("new", "home", True)}

    hear(ProductRemoved("X-1"), 9)
    hear(changed("late"), 8)
    assert known() == {}
    hear(changed("back"), 10)
    assert known() == {"X-1": ("back", "home", True)}
    hear(ProductRemoved("Y-1"), 2)
    assert Product.objects.get(sku="Y-1").removed, "or what comes late would bring it back"


@pytest.mark.django_db
def test_what_was_seeded_is_older_than_what_is_said(shop: None):
    done: list[int] = []
    service.update("LAMP", name="Lamp")
    carry()
    Product.objects.filter(sku="DESK").delete()
    products.fill(seeding.everything(), advance=done.append)

    assert sum(done) == 3
    assert known() == sold()
    assert [one.version for one in Product.objects.order_by("sku")] == [1, 0, 2]
    service.update("DESK", name="Desk")
    carry()
    assert known() == sold()


def rebuilding() -> None:
    open_shop()
    service.update("LAMP", active=False)
    assert carry() == 4
    whole = known()
    Product.objects.filter(sku="LAMP").delete()
    Product.objects.filter(sku="DESK").update(name="wrong")
    hear(changed("nobody sells it"), 1)
    assert known() != sold()

    assert run(["events", "replay", "--consumer", "ordering"]) == 0
    assert known() == {}
    assert carry() == 3
    assert known() == sold() == whole
    assert Inbox.objects.count() == 8
    assert run(["events", "replay", "--consumer", "ordering"]) == 0
    carry()
    assert known() == whole


@pytest.mark.django_db
def test_the_copy_is_rebuilt(capsys: pytest.CaptureFixture[str]):
    rebuilding()
    said = " ".join(capsys.readouterr().out.split())
    assert "ordering has emptied its copies, and everything is said again" in said


@pytest.mark.postgres
def test_the_copy_is_rebuilt_on_postgres(on_postgres: None):
    rebuilding()
