from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from monolith.catalog import seeding
from monolith.catalog.models import Product
from tests.monolith.catalog.samples import FILTERS, ORDERINGS, stock

pytestmark = pytest.mark.django_db
PRODUCTS = "/api/catalog/products/"


@pytest.fixture
def shop(product: Callable[..., Product]) -> None:
    stock(product)


def found(client: Client, query: str = "") -> list[str]:
    response = client.get(f"{PRODUCTS}?{query}")
    assert response.status_code == 200, response.content
    return [row["sku"] for row in response.json()["results"]]


def test_everybody_reads_what_is_on_sale(
    shop: None, anybody: APIClient, customer: APIClient, staff: APIClient
):
    on_sale = ["BOOK-1", "SPADE-1", "TROWEL-1", "POT-1"]

    assert sorted(found(anybody)) == sorted(on_sale)
    assert found(customer) == found(anybody)
    assert set(found(staff)) == {*on_sale, "OLD-1"}
    assert found(staff, "active=false") == ["OLD-1"]
    assert "OLD-1" not in found(staff, "active=true")


def test_only_staff_filter_by_active(shop: None, anybody: APIClient, customer: APIClient):
    for client in (anybody, customer):
        response = client.get(f"{PRODUCTS}?active=false")
        assert response.status_code in {401, 403}
        assert response.json()["error"] in {"NotAuthenticated", "PermissionDenied"}


@pytest.mark.parametrize(
    ("query", "expected"),
    FILTERS,
)
def test_a_filter_finds_what_it_names(
    shop: None, anybody: APIClient, query: str, expected: list[str]
):
    assert sorted(found(anybody, query)) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    ORDERINGS,
)
def test_an_ordering_orders(shop: None, anybody: APIClient, query: str, expected: list[str]):
    assert found(anybody, query) == expected


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("ordering=color", "$.ordering"),
        ("min_price=1", "$.currency"),
        ("currency=EUR&min_price=NaN", "$.min_price"),
        ("currency=EUR&max_price=1e99", "$.max_price"),
        ("currency=XXX", "$.currency"),
        ("currency=eur", "$.currency"),
        ("attribute=color", "$.attribute[0]"),
        ("attribute=Color:red", "$.attribute[0]"),
        ("&".join(f"attribute=a{number}:1" for number in range(11)), "$.attribute"),
        ("category=Garden", "$.category"),
        ("category=/garden", "$.category"),
        ("search=%00", "$.search"),
        (f"search={'x' * 101}", "$.search"),
        ("active=perhaps", "$.active"),
    ],
)
def test_a_bad_query_is_refused_with_the_place(anybody: APIClient, query: str, path: str):
    response = anybody.get(f"{PRODUCTS}?{query}")

    assert response.status_code == 400
    assert response.json()["error"] == "InvalidRequest"
    assert response.json()["detail"]["path"] == path


def test_pages_are_bounded_and_never_overlap(tree: None, anybody: APIClient):
    seeding.fill(230, seed=1, advance=lambda _: None)
    first = anybody.get(f"{PRODUCTS}?page_size=1000").json()
    count = first["count"]
    assert len(first["results"]) == 100
    assert len(anybody.get(PRODUCTS).json()["results"]) == 20

    seen = [sku for page in range(1, 4) for sku in found(anybody, f"page_size=100&page={page}")]
    assert len(seen) == len(set(seen)) == count
    for page in ("4", "0", "-1", "x", "99999999999999999999"):
        response = anybody.get(f"{PRODUCTS}?page_size=100&page={page}")
        assert (response.status_code, response.json()["error"]) == (404, "NotFound")


def test_one_product(shop: None, anybody: APIClient):
    response = anybody.get(f"{PRODUCTS}SPADE-1/")

    assert response.status_code == 200
    assert response.json() == {
        "sku": "SPADE-1",
        "name": "Steel Spade",
        "description": "",
        "category": "garden/tools",
        "attributes": {"color": "red", "size": "m"},
        "price": {"amount": "20.00", "currency": "EUR"},
        "active": True,
    }
    assert anybody.get(f"{PRODUCTS}BOOK-1/").json()["price"] == {
        "amount": "1500",
        "currency": "JPY",
    }


@pytest.mark.parametrize("sku", ["NONE-1", "OLD-1", "spade-1", "x" * 500])
def test_a_product_that_is_not_on_sale_is_unknown(shop: None, anybody: APIClient, sku: str):
    response = anybody.get(f"{PRODUCTS}{sku}/")

    assert response.status_code == 404
    assert response.json()["error"] == "UnknownProduct"


def test_staff_find_what_is_not_on_sale(shop: None, staff: APIClient):
    assert staff.get(f"{PRODUCTS}OLD-1/").json()["active"] is False


def test_categories_are_a_tree(tree: None, anybody: APIClient):
    assert anybody.get("/api/catalog/categories/").json() == [
        {
            "path": "garden",
            "name": "Garden",
            "children": [
                {
                    "path": "garden/tools",
                    "name": "Tools",
                    "children": [{"path": "garden/tools/small", "name": "Small", "children": []}],
                }
            ],
        },
        {"path": "gardening", "name": "Gardening", "children": []},
        {"path": "kitchen", "name": "Kitchen", "children": []},
    ]


def test_however_many_there_are_the_queries_are_few(
    tree: None, anybody: APIClient, django_assert_num_queries: Any
):
    seeding.fill(60, seed=1, advance=lambda _: None)

    with django_assert_num_queries(2):
        assert len(found(anybody, "page_size=50")) == 50
    sku = found(anybody)[0]
    with django_assert_num_queries(1):
        anybody.get(f"{PRODUCTS}{sku}/")
    with django_assert_num_queries(1):
        anybody.get("/api/catalog/categories/")
