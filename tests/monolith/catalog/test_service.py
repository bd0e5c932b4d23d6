from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from contracts import catalog
from contracts.catalog import InvalidPrice, NotAllowed, UnknownProduct
from contracts.money import Money
from monolith.catalog.models import Category, Product, searchable
from monolith.catalog.service import CatalogService
from strangler.ports.context import Context, use
from tests.monolith.people import FOR_CUSTOMER, FOR_STAFF

pytestmark = pytest.mark.django_db
EUR = "EUR"


@pytest.fixture
def service() -> Iterator[CatalogService]:
    """As staff have it."""
    with use(FOR_STAFF):
        yield CatalogService()


@pytest.mark.parametrize("context", [Context(), Context(caller="ordering"), FOR_CUSTOMER])
def test_only_staff_change_prices_whoever_calls_for_them(
    product: Callable[..., Product], service: CatalogService, context: Context
):
    product("HOE-1")

    with use(context), pytest.raises(NotAllowed):
        service.reprice("HOE-1", Money(Decimal(1), EUR))
    assert service.product("HOE-1").price.amount == Decimal("9.99")


def test_a_product_as_others_see_it(product: Callable[..., Product], service: CatalogService):
    product("HOE-1", name="Hoe", category="garden/tools", attributes={"a": "b"}, active=False)

    assert service.product("HOE-1") == catalog.Product(
        sku="HOE-1",
        name="Hoe",
        description="",
        category="garden/tools",
        attributes={"a": "b"},
        price=Money(Decimal("9.99"), EUR),
        active=False,
    )
    assert str(service.product("HOE-1").price.amount) == "9.99"


def test_products_come_in_the_order_asked_and_unknown_ones_are_left_out(
    product: Callable[..., Product], service: CatalogService
):
    for sku in ("A", "B", "C"):
        product(sku)
    asked = ["C", "NONE", "A", "C", "\0", "\ud800", "x" * 1000, ""]

    assert [found.sku for found in service.products(asked)] == ["C", "A", "C"]
    assert service.products([]) == []


def test_products_cost_one_query_however_many(
    product: Callable[..., Product], service: CatalogService, django_assert_num_queries: Any
):
    skus = [f"P-{number}" for number in range(30)]
    for sku in skus:
        product(sku)

    with django_assert_num_queries(1):
        assert len(service.products([*skus, "NONE"])) == 30


@pytest.mark.parametrize("sku", ["NONE", "", "\0", "\ud800", "hoe-1"])
def test_an_unknown_product_is_unknown(service: CatalogService, sku: str):
    with pytest.raises(UnknownProduct):
        service.product(sku)
    with pytest.raises(UnknownProduct):
        service.reprice(sku, Money(Decimal(1), EUR))


def test_repricing_twice_is_repricing_once(
    product: Callable[..., Product], service: CatalogService
):
    product("HOE-1")
    for _ in range(2):
        changed = service.reprice("HOE-1", Money(Decimal("10.5"), EUR))
        assert changed.price == Money(Decimal("10.50"), EUR)

    assert service.product("HOE-1") == changed


@pytest.mark.parametrize(
    ("amount", "currency", "reason"),
    [
        ("0", EUR, "above 0"),
        ("-1", EUR, "above 0"),
        ("NaN", EUR, "above 0"),
        ("Infinity", EUR, "above 0"),
        ("1E+30", EUR, "below"),
        ("1E-30", EUR, "2 decimals"),
        ("1.001", EUR, "2 decimals"),
        ("1", "USD", "sold in EUR"),
        ("1", "", "sold in EUR"),
    ],
)
def test_a_price_that_cannot_be_is_refused(
    product: Callable[..., Product],
    service: CatalogService,
    amount: str,
    currency: str,
    reason: str,
):
    product("HOE-1")

    with pytest.raises(InvalidPrice, match=reason):
        service.reprice("HOE-1", Money(Decimal(amount), currency))
    assert service.product("HOE-1").price.amount == Decimal("9.99")


def test_a_category_with_products_or_categories_stays(product: Callable[..., Product]):
    product("HOE-1", category="garden/tools/small")
    for path in ("garden", "garden/tools/small"):
        with pytest.raises(IntegrityError), transaction.atomic():
            Category.objects.get(path=path).delete()


def test_the_database_itself_refuses_a_price_of_nothing(product: Callable[..., Product]):
    row = product("HOE-1")
    row.amount = Decimal(0)

    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()
    row.sku = "hoe"
    with pytest.raises(ValidationError):
        row.clean_fields()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("ÉLAN", "elan"), ("Straße", "strasse"), ("ﬁne", "fine"), ("Ω", "ω"), ("日本", "日本")],
)
def test_search_is_blind_to_case_and_accents(text: str, expected: list[str]):
    assert searchable(text) == expected
