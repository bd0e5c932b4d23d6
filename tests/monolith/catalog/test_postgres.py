"""What databases do differently, on a real PostgreSQL."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest
from django.db import connection
from rest_framework.test import APIClient

from contracts.money import Money
from monolith.catalog import seeding, service
from monolith.catalog.models import Product
from strangler.ports.context import use
from tests.monolith.catalog.samples import FILTERS, ORDERINGS, stock
from tests.monolith.people import FOR_STAFF

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("on_postgres")]


def create(sku: str, *, amount: str = "9.99", currency: str = "EUR", **fields: object) -> Product:
    fields = {"name": sku.capitalize(), "category": "garden", **fields}
    return service.create(sku=sku, price=Money(Decimal(amount), currency), **fields)


def found(query: str) -> list[str]:
    response = APIClient().get(f"/api/catalog/products/?{query}")
    assert response.status_code == 200, response.content
    return [row["sku"] for row in response.json()["results"]]


def test_postgresql_finds_orders_and_locks_as_sqlite_does():
    assert connection.vendor == "postgresql"
    for path in ("garden", "garden/tools", "garden/tools/small", "gardening", "kitchen"):
        service.create_category(path=path, name=path)
    stock(create)

    assert {query: sorted(found(query)) for query, _ in FILTERS} == dict(FILTERS)
    assert {query: found(query) for query, _ in ORDERINGS} == dict(ORDERINGS)
    assert service.CatalogService().products(["\0", "POT-1"])[0].price.amount == Decimal(30)

    seeding.fill(50, seed=1, advance=lambda _: None)
    assert len(list(seeding.skus())) == 55
    _nothing_is_lost_between_a_change_and_a_reprice()


def _nothing_is_lost_between_a_change_and_a_reprice() -> None:
    def change() -> None:
        for number in range(20):
            service.update("SPADE-1", name=f"Spade {number}")
        connection.close()

    def reprice() -> None:
        for number in range(20):
            price = Money(Decimal(number + 1), "EUR")
            with use(FOR_STAFF):
                service.CatalogService().reprice("SPADE-1", price)
        connection.close()

    threads = [threading.Thread(target=work) for work in (change, reprice)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spade = service.CatalogService().product("SPADE-1")
    assert (spade.name, spade.price.amount) == ("Spade 19", Decimal(20))
