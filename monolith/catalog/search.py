"""Which products somebody is looking for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTransform

from monolith.catalog.models import Product, searchable

ORDERINGS: dict[str, tuple[str, ...]] = {
    "name": ("name", "sku"),
    "-name": ("-name", "-sku"),
    "price": ("currency", "amount", "sku"),
    "-price": ("-currency", "-amount", "-sku"),
    "created": ("created_at", "sku"),
    "-created": ("-created_at", "-sku"),
}
"""What products may be ordered by; the SKU decides between equals, so that pages never overlap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the products have in common; each of these narrows the search further."""

    search: str = ""
    category: str = ""
    attributes: Sequence[tuple[str, str]] = ()
    currency: str = ""
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    active: bool | None = None
    ordering: str = "name"


def products(wanted: Wanted) -> QuerySet[Product]:
    """The products, each with its category: one query, however many there are."""
    rows = Product.objects.select_related("category").order_by(*ORDERINGS[wanted.ordering])
    for word in searchable(wanted.search).split():
        rows = rows.filter(search__contains=word)
    if wanted.category:
        below = Q(category__path__startswith=f"{wanted.category}/")
        rows = rows.filter(Q(category__path=wanted.category) | below)
    for index, (key, value) in enumerate(wanted.attributes):
        rows = rows.alias(**{f"attribute{index}": KeyTransform(key, "attributes")})
        rows = rows.filter(**{f"attribute{index}": value})
    if wanted.currency:
        rows = rows.filter(currency=wanted.currency)
    if wanted.min_price is not None:
        rows = rows.filter(amount__gte=wanted.min_price)
    if wanted.max_price is not None:
        rows = rows.filter(amount__lte=wanted.max_price)
    if wanted.active is not None:
        rows = rows.filter(active=wanted.active)
    return rows
