"""A small catalog to search in."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from contracts.money import Money
from monolith.catalog import service
from monolith.catalog.models import Category, Product


@pytest.fixture
def tree(db: None) -> None:
    """Five categories, three levels deep."""
    for path in ("garden", "garden/tools", "garden/tools/small", "gardening", "kitchen"):
        service.create_category(path=path, name=path.rpartition("/")[2].capitalize())
    assert Category.objects.count() == 5


@pytest.fixture
def product(tree: None) -> Callable[..., Product]:
    """Makes products: ``product("HOE-1", category="garden/tools")``."""

    def make(sku: str, *, amount: str = "9.99", currency: str = "EUR", **fields: Any) -> Product:
        fields = {"name": sku.capitalize(), "category": "garden", **fields}
        return service.create(sku=sku, price=Money(Decimal(amount), currency), **fields)

    return make
