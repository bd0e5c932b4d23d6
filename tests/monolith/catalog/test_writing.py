from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from contracts.catalog import UnknownProduct
from monolith.catalog.models import Category, Product
from monolith.catalog.service import CatalogService
from monolith.identity.models import User

pytestmark = pytest.mark.django_db
PRODUCTS = "/api/catalog/products/"
NEW = {
    "sku": "RAKE-7",
    "name": "Rake",
    "description": "It rakes.",
    "category": "garden/tools",
    "attributes": {"color": "red"},
    "price": {"amount": "12.50", "currency": "EUR"},
}


def test_staff_take_a_product_into_the_catalog(tree: None, staff: APIClient, anybody: APIClient):
    response = staff.post(PRODUCTS, NEW)

    assert response.status_code == 201
    assert response.json() == {**NEW, "active": True}
    assert anybody.get(f"{PRODUCTS}RAKE-7/").json() == response.json()
    assert anybody.get(f"{PRODUCTS}?search=rakes").json()["count"] == 1


def test_a_sku_is_taken_once(tree: None, staff: APIClient):
    staff.post(PRODUCTS, NEW)
    response = staff.post(PRODUCTS, {**NEW, "name": "Another"})

    assert response.status_code == 409
    assert response.json()["error"] == "ProductExists"
    assert response.json()["detail"] == {"sku": "RAKE-7"}
    assert Product.objects.get().name == "Rake"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"sku": "rake"}, "$.sku"),
        ({"sku": "-RAKE"}, "$.sku"),
        ({"sku": "RA--KE"}, "$.sku"),
        ({"sku": "X" * 65}, "$.sku"),
        ({"sku": None}, "$.sku"),
        ({"name": ""}, "$.name"),
        ({"name": "x" * 201}, "$.name"),
        ({"description": "x" * 10_001}, "$.description"),
        ({"category": "Garden"}, "$.category"),
        ({"category": ""}, "$.category"),
        ({"attributes": {"color": {"deep": "1"}}}, "$.attributes.color"),
        ({"attributes": {"color": None}}, "$.attributes.color"),
        ({"attributes": {"Color": "red"}}, "$.attributes"),
        ({"attributes": {f"a{number}": "1" for number in range(51)}}, "$.attributes"),
        ({"attributes": ["color"]}, "$.attributes"),
        ({"price": "12.50"}, "$.price"),
        ({"price": {"amount": "12.50"}}, "$.price.currency"),
        ({"price": {"amount": "0", "currency": "EUR"}}, "$.price.amount"),
        ({"price": {"amount": "-1", "currency": "EUR"}}, "$.price.amount"),
        ({"price": {"amount": "NaN", "currency": "EUR"}}, "$.price.amount"),
        ({"price": {"amount": "Infinity", "currency": "EUR"}}, "$.price.amount"),
        ({"price": {"amount": "1e40", "currency": "EUR"}}, "$.price.amount"),
        ({"price": {"amount": "1.001", "currency": "EUR"}}, "$.price.amount"),
        ({"price": {"amount": "1.5", "currency": "JPY"}}, "$.price.amount"),
        ({"price": {"amount": "1", "currency": "XXX"}}, "$.price.currency"),
        ({"price": {"amount": "1", "currency": "eur"}}, "$.price.currency"),
        ({"active": "perhaps"}, "$.active"),
    ],
)
def test_a_bad_product_is_refused_with_the_place(
    tree: None, staff: APIClient, change: dict[str, Any], path: str
):
    response = staff.post(PRODUCTS, {**NEW, **change})

    assert response.status_code == 400, response.content
    assert response.json()["error"] == "InvalidRequest"
    assert response.json()["detail"]["path"] == path
    assert not Product.objects.exists()


def test_text_that_no_database_can_hold_is_refused(tree: None, staff: APIClient) -> None:
    for character in ("\\ud800", "\\u0000"):
        body = json.dumps(NEW).replace("It rakes.", character)
        response = staff.post(PRODUCTS, body, content_type="application/json")

        assert response.status_code == 400
        assert response.json()["detail"]["path"] == "$.description"


def test_everything_that_is_wrong_is_said_at_once(tree: None, staff: APIClient):
    response = staff.post(PRODUCTS, {**NEW, "sku": "rake", "price": {"amount": "x"}})

    paths = {problem["path"] for problem in response.json()["detail"]["problems"]}
    assert paths == {"$.sku", "$.price.amount", "$.price.currency"}


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("0.01", "EUR"), ("1", "JPY"), ("1.234", "KWD"), ("9999999999.9999", "UYW")],
)
def test_a_price_is_as_fine_as_its_currency(
    tree: None, staff: APIClient, amount: str, currency: str
):
    body = {**NEW, "price": {"amount": amount, "currency": currency}}

    assert staff.post(PRODUCTS, body).status_code == 201
    assert staff.get(f"{PRODUCTS}RAKE-7/").json()["price"] == body["price"]


def test_a_product_needs_a_category_that_there_is(tree: None, staff: APIClient):
    response = staff.post(PRODUCTS, {**NEW, "category": "garden/nowhere"})

    assert response.status_code == 400
    assert response.json()["error"] == "UnknownCategory"


def test_staff_change_a_product(
    product: Callable[..., Product], staff: APIClient, anybody: APIClient
):
    product("HOE-1", category="garden")
    change = {
        "name": "Mighty Hoe",
        "description": "It hoes.",
        "category": "garden/tools",
        "attributes": {"color": "blue"},
    }
    response = staff.patch(f"{PRODUCTS}HOE-1/", change)

    assert response.status_code == 200
    assert {**response.json(), **change} == response.json()
    assert anybody.get(f"{PRODUCTS}?search=mighty").json()["count"] == 1
    assert staff.patch(f"{PRODUCTS}HOE-1/", {}).json() == response.json()


def test_staff_take_a_product_off_sale_and_put_it_back(
    product: Callable[..., Product], staff: APIClient, anybody: APIClient
):
    product("HOE-1")
    staff.patch(f"{PRODUCTS}HOE-1/", {"active": False})
    assert anybody.get(f"{PRODUCTS}HOE-1/").status_code == 404

    staff.patch(f"{PRODUCTS}HOE-1/", {"active": True})
    assert anybody.get(f"{PRODUCTS}HOE-1/").status_code == 200


@pytest.mark.parametrize("name", ["sku", "price", "colour"])
def test_what_cannot_be_changed_is_refused_not_ignored(
    product: Callable[..., Product], staff: APIClient, name: str
):
    product("HOE-1")
    response = staff.patch(f"{PRODUCTS}HOE-1/", {"name": "Other", name: "X"})

    assert response.status_code == 400
    assert response.json()["detail"]["path"] == f"$.{name}"
    assert staff.get(f"{PRODUCTS}HOE-1/").json()["name"] != "Other"


def test_staff_reprice(product: Callable[..., Product], staff: APIClient):
    product("HOE-1", amount="9.99")
    body = {"amount": "11.25", "currency": "EUR"}
    response = staff.put(f"{PRODUCTS}HOE-1/price", body)

    assert response.status_code == 200
    assert response.json()["price"] == body


def test_a_product_keeps_its_currency(product: Callable[..., Product], staff: APIClient):
    product("HOE-1", amount="9.99")
    response = staff.put(f"{PRODUCTS}HOE-1/price", {"amount": "11.25", "currency": "USD"})

    assert response.status_code == 400
    assert response.json()["error"] == "InvalidPrice"
    assert response.json()["detail"]["sku"] == "HOE-1"
    assert staff.get(f"{PRODUCTS}HOE-1/").json()["price"]["amount"] == "9.99"


def test_who_changes_an_unknown_product_is_told(staff: APIClient):
    for response in (
        staff.patch(f"{PRODUCTS}NONE-1/", {"name": "x"}),
        staff.put(f"{PRODUCTS}NONE-1/price", {"amount": "1", "currency": "EUR"}),
    ):
        assert response.status_code == 404
        assert response.json()["error"] == "UnknownProduct"


def test_nobody_but_staff_writes(
    product: Callable[..., Product], anybody: APIClient, customer: APIClient
):
    product("HOE-1")
    for client, status, error in (
        (anybody, 401, "NotAuthenticated"),
        (customer, 403, "PermissionDenied"),
    ):
        for response in (
            client.post(PRODUCTS, NEW),
            client.patch(f"{PRODUCTS}HOE-1/", {"active": False}),
            client.put(f"{PRODUCTS}HOE-1/price", {"amount": "1", "currency": "EUR"}),
            client.post("/api/catalog/categories/", {"path": "toys", "name": "Toys"}),
        ):
            assert (response.status_code, response.json()["error"]) == (status, error)
    assert Product.objects.get().active
    assert CatalogService().product("HOE-1").price.amount == Product.objects.get().amount


def test_staff_add_categories_below_others(tree: None, staff: APIClient):
    url = "/api/catalog/categories/"
    body = {"path": "garden/pots", "name": "Pots"}

    response = staff.post(url, body)
    assert (response.status_code, response.json()) == (201, body)
    assert Category.objects.get(path="garden/pots").parent.path == "garden"

    again = staff.post(url, body)
    assert (again.status_code, again.json()["error"]) == (409, "CategoryExists")
    orphan = staff.post(url, {"path": "toys/wood", "name": "Wood"})
    assert (orphan.status_code, orphan.json()["error"]) == (400, "UnknownCategory")
    root = staff.post(url, {"path": "toys", "name": "Toys"})
    assert root.status_code == 201


def test_products_are_kept_in_the_admin_site(
    product: Callable[..., Product], user: Callable[..., User], client: Client
):
    product("HOE-1", amount="9.99")
    client.force_login(user("root", is_staff=True, is_superuser=True))
    url = "/admin/catalog/product/HOE-1/change/"
    category = Category.objects.get(path="kitchen")
    form = {
        "name": "Hoe",
        "description": "",
        "category": category.pk,
        "attributes": "{}",
        "amount": "3.333",
    }
    assert client.get(url).status_code == 200
    assert b"EUR has 2 decimals" in client.post(url, form).content

    assert client.post(url, {**form, "amount": "3.33"}).status_code == 302
    changed = CatalogService().product("HOE-1")
    assert (changed.category, changed.price.currency) == ("kitchen", "EUR")
    with pytest.raises(UnknownProduct):
        CatalogService().product("HOE-2")
