"""Inventory's HTTP face: who may ask what, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from contracts.inventory import Item
from monolith.inventory import models
from monolith.inventory.service import InventoryService

Put = Callable[..., None]
Warehouses = dict[str, models.Warehouse]
pytestmark = pytest.mark.django_db
STAFF_ONLY = ("stock", "movements", "warehouses", "warehouses/near")


def test_anybody_may_ask_what_is_to_be_had(stock: Put):
    stock("A", near=3, far=1)
    InventoryService().reserve(uuid4(), [Item("A", 2)])

    answer = APIClient().get("/api/inventory/availability?sku=B&sku=A")

    assert answer.status_code == 200
    assert answer.json() == [{"sku": "B", "available": 0}, {"sku": "A", "available": 2}]


@pytest.mark.parametrize(
    "query", ["", "?sku=", f"?sku={'A' * 65}", "?" + "&".join(f"sku=A{n}" for n in range(101))]
)
def test_what_can_not_be_asked_is_refused(db: None, query: str):
    answer = APIClient().get(f"/api/inventory/availability{query}")

    assert answer.status_code == 400
    assert answer.json()["error"] == "InvalidRequest"
    assert answer.json()["detail"]["path"].startswith("$.sku")


@pytest.mark.parametrize("path", STAFF_ONLY)
def test_the_rest_is_for_staff(warehouses: Warehouses, customer: APIClient, path: str):
    assert APIClient().get(f"/api/inventory/{path}").status_code in {401, 403}
    refused = customer.get(f"/api/inventory/{path}")
    assert (refused.status_code, refused.json()["error"]) == (403, "PermissionDenied")


def test_customers_change_nothing(warehouses: Warehouses, customer: APIClient):
    body = {"sku": "A", "warehouse": "near", "delta": 5, "reason": "received"}

    assert customer.post("/api/inventory/movements", body).status_code == 403
    assert customer.post("/api/inventory/warehouses", {"code": "x", "name": "X"}).status_code == 403
    assert customer.patch("/api/inventory/warehouses/near", {"rank": 1}).status_code == 403


def test_staff_change_what_is_on_hand_and_say_why(warehouses: Warehouses, staff: APIClient):
    body = {"sku": "A-1", "warehouse": "near", "delta": 5, "reason": "received", "note": "#17"}

    answer = staff.post("/api/inventory/movements", body)

    assert answer.status_code == 201, answer.json()
    moved = answer.json()
    assert moved | body == moved
    assert moved["actor"] == str(models.Movement.objects.get().actor) != ""
    assert staff.get("/api/inventory/stock").json()["results"] == [
        {"sku": "A-1", "warehouse": "near", "on_hand": 5, "reserved": 0, "available": 5}
    ]
    assert staff.get("/api/inventory/movements").json()["results"] == [moved]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"sku": "a b"}, "$.sku"),
        ({"sku": ""}, "$.sku"),
        ({"warehouse": "nowhere"}, "$.warehouse"),
        ({"delta": 0}, "$.delta"),
        ({"delta": 10**9}, "$.delta"),
        ({"delta": "many"}, "$.delta"),
        ({"reason": "sold"}, "$.reason"),
        ({"note": "x" * 201}, "$.note"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(
    warehouses: Warehouses, staff: APIClient, change: dict[str, Any], path: str
):
    body = {"sku": "A", "warehouse": "near", "delta": 5, "reason": "received"} | change

    answer = staff.post("/api/inventory/movements", body)

    assert (answer.status_code, answer.json()["detail"]["path"]) == (400, path)
    assert not models.Stock.objects.exists()


def test_what_is_not_there_can_not_be_taken(stock: Put, staff: APIClient):
    stock("A", near=3)
    InventoryService().reserve(uuid4(), [Item("A", 2)])
    body = {"sku": "A", "warehouse": "near", "delta": -2, "reason": "damaged"}

    answer = staff.post("/api/inventory/movements", body)

    assert answer.status_code == 409
    assert answer.json()["error"] == "NotOnHand"
    assert answer.json()["detail"] == {"sku": "A", "available": 1}


def test_stock_and_movements_are_paged_and_narrowed(stock: Put, staff: APIClient):
    for sku in "ABC":
        stock(sku, near=1, far=2)

    page = staff.get("/api/inventory/stock?page_size=2&page=2").json()
    assert page["count"] == 6
    assert [(row["sku"], row["on_hand"]) for row in page["results"]] == [("B", 2), ("B", 1)]
    narrowed = staff.get("/api/inventory/stock?sku=C&warehouse=far").json()["results"]
    assert [(row["sku"], row["warehouse"]) for row in narrowed] == [("C", "far")]
    moves = staff.get("/api/inventory/movements?sku=B").json()["results"]
    assert [(row["sku"], row["delta"]) for row in moves] == [("B", 2), ("B", 1)]


def test_staff_run_warehouses(staff: APIClient):
    created = staff.post("/api/inventory/warehouses", {"code": "ber", "name": "Berlin", "rank": 5})
    assert created.status_code == 201
    assert staff.post("/api/inventory/warehouses", {"code": "ber", "name": "B"}).status_code == 400
    assert staff.post("/api/inventory/warehouses", {"code": "b r", "name": "B"}).status_code == 400
    changed = staff.patch("/api/inventory/warehouses/ber", {"rank": 7})
    assert changed.json() == {"code": "ber", "name": "Berlin", "rank": 7}
    assert staff.delete("/api/inventory/warehouses/ber").status_code == 405
    assert staff.get("/api/inventory/warehouses/xyz").status_code == 404


def test_a_page_of_stock_costs_the_same_however_much_is_on_it(
    stock: Put, staff: APIClient, django_assert_max_num_queries: Any
):
    for number in range(30):
        stock(f"S{number}", near=1)

    with django_assert_max_num_queries(3):
        staff.get("/api/inventory/stock?page_size=30")
    with django_assert_max_num_queries(3):
        staff.get("/api/inventory/movements?page_size=30")
