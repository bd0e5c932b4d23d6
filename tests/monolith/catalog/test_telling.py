"""Whatever changes a product says so, in the transaction that changes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from rest_framework.test import APIClient

from contracts.money import Money
from monolith.catalog import seeding
from monolith.catalog.models import Product, ProductVersion
from monolith.catalog.service import CatalogService, ProductExists
from strangler.django.events.models import Outbox
from strangler.ports.context import use
from tests.monolith.people import FOR_STAFF

pytestmark = pytest.mark.django_db
Make = Callable[..., Product]
PRODUCTS = "/api/catalog/products/"


def said() -> list[tuple[str, int, dict[str, Any]]]:
    """What was said since this was asked last."""
    rows = list(Outbox.objects.order_by("position"))
    Outbox.objects.all().delete()
    return [(row.type.rpartition(".")[2], row.version, json.loads(row.payload)) for row in rows]


def like(sku: str, **changes: Any) -> dict[str, Any]:
    price = {"amount": changes.pop("amount", "9.99"), "currency": "EUR"}
    return {
        "sku": sku,
        "name": "Hoe",
        "category": "garden",
        "price": price,
        "active": True,
        **changes,
    }


def test_staff_change_products_by_api(product: Make, staff: APIClient):
    product("HOE-1", name="Hoe")
    assert said() == [("changed", 1, like("HOE-1"))]

    staff.patch(f"{PRODUCTS}HOE-1/", {"name": "Rake", "active": False})
    staff.put(f"{PRODUCTS}HOE-1/price", {"amount": "11.00", "currency": "EUR"})
    changed = {"name": "Rake", "active": False}
    assert said() == [
        ("changed", 2, like("HOE-1", **changed)),
        ("changed", 3, like("HOE-1", **changed, amount="11.00")),
    ]
    staff.patch(f"{PRODUCTS}HOE-1/", {"category": "nowhere"})
    staff.put(f"{PRODUCTS}HOE-1/price", {"amount": "11.001", "currency": "EUR"})
    assert said() == []
    assert ProductVersion.objects.get().version == 3


def test_what_is_not_done_is_not_said(product: Make):
    product("HOE-1", name="Hoe")
    said()

    with pytest.raises(ProductExists):
        product("HOE-1", name="Rake")
    with use(FOR_STAFF), transaction.atomic():
        CatalogService().reprice("HOE-1", Money(Decimal(1), "EUR"))
        transaction.set_rollback(True)
    assert said() == []


def test_staff_change_and_remove_products_in_the_admin(product: Make, user: Callable[..., Any]):
    rows = [product(sku, name="Hoe") for sku in ("HOE-1", "HOE-2", "HOE-3")]
    said()
    client = Client()
    client.force_login(user("root", is_staff=True, is_superuser=True))
    url = "/admin/catalog/product/"
    form = {"name": "Rake", "category": rows[0].category_id, "attributes": "{}", "amount": "5"}

    assert client.post(f"{url}HOE-1/change/", {**form, "active": "on"}).status_code == 302
    assert said() == [("changed", 2, like("HOE-1", name="Rake", amount="5.00"))]
    assert client.post(f"{url}HOE-1/delete/", {"post": "yes"}).status_code == 302
    assert said() == [("removed", 3, {"sku": "HOE-1"})]
    both = {"action": "delete_selected", "_selected_action": ["HOE-2", "HOE-3"], "post": "yes"}
    assert client.post(url, both).status_code == 302
    assert not Product.objects.exists()
    assert said() == [("removed", 2, {"sku": sku}) for sku in ("HOE-2", "HOE-3")]


def test_products_are_said_again_one_part_after_the_other(product: Make):
    for number in range(5):
        product(f"HOE-{number}", name="Hoe")
    said()
    service, parts = CatalogService(), []

    last = service.announce(None, 2)
    while last is not None:
        parts.append((last, [what["sku"] for _, _, what in said()]))
        last = service.announce(last, 2)

    assert parts == [
        ("HOE-1", ["HOE-0", "HOE-1"]),
        ("HOE-3", ["HOE-2", "HOE-3"]),
        ("HOE-4", ["HOE-4"]),
    ]
    assert said() == []
    assert set(ProductVersion.objects.values_list("version", flat=True)) == {2}


def test_what_is_seeded_is_not_said_but_shown(db: None):
    seeding.fill(30, seed=1, advance=lambda _: None)

    assert said() == []
    names = {one.sku: one.name for one in seeding.everything()}
    assert names == dict(Product.objects.values_list("sku", "name"))
