"""What catalog says of its products, in the transaction that changes them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from contracts.catalog import ProductChanged, ProductRemoved
from contracts.money import Money
from monolith.catalog.currencies import DECIMALS
from monolith.catalog.models import Product, ProductVersion
from strangler.django.events.publishing import Publisher

events = Publisher(ProductVersion)


def price(row: Product) -> Money:
    """A product's price, with as many decimals as its currency has."""
    unit = Decimal(1).scaleb(-DECIMALS[row.currency])
    return Money(row.amount.quantize(unit), row.currency)


def like(row: Product) -> ProductChanged:
    """What a product is like; its category must have been fetched with it."""
    return ProductChanged(
        sku=row.sku,
        name=row.name,
        category=row.category.path,
        price=price(row),
        active=row.active,
    )


def changed(*rows: Product) -> None:
    """Say what these are like from now on."""
    events.publish_all(map(like, rows))


def removed(skus: Iterable[str]) -> None:
    """Say that there are no such products any more."""
    events.publish_all(ProductRemoved(sku=sku) for sku in skus)
