"""Fills the catalog with believable products, as many as are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import islice
from random import Random

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from contracts import catalog
from contracts.catalog import ProductChanged
from monolith.catalog.assortment import (
    COLORS,
    MAKERS,
    PRAISES,
    QUALITIES,
    SHELVES,
    Shelf,
)
from monolith.catalog.models import Category, Product
from monolith.catalog.service import shared
from monolith.catalog.telling import like

BATCH = 2000


def count() -> int:
    """How many products there are."""
    return Product.objects.count()


def fill(products: int, *, seed: int, advance: Callable[[int], object]) -> None:
    """Add so many products, a batch a transaction; ``advance`` hears of each batch.

    The same seed on the same catalog makes the same products. No event is said of them, which would
    take longer than they do: whoever keeps a copy is given ``everything``.
    """
    categories = _categories()
    start = count()
    random = Random(f"{seed}/catalog/{start}")  # noqa: S311 -- the same each time is the point
    rows = (_product(index, random, categories) for index in range(start, start + products))
    while batch := list(islice(rows, BATCH)):
        with transaction.atomic():
            Product.objects.bulk_create(batch)
        advance(len(batch))


def skus() -> Iterator[str]:
    """The SKU of every product, a batch a query, so that the caller may write meanwhile."""
    return _skus(Product.objects.order_by("sku"))


def everything() -> Iterator[ProductChanged]:
    """What each product is like, a batch a query, so that the caller may write meanwhile."""
    last = ""
    rows = Product.objects.order_by("sku").select_related("category")
    while batch := list(rows.filter(sku__gt=last)[:BATCH]):
        yield from map(like, batch)
        last = batch[-1].sku


def sample(limit: int) -> list[catalog.Product]:
    """Up to so many products that are on sale, spread over the whole catalog."""
    rows = Product.objects.filter(active=True).order_by("sku")
    step = max(1, rows.count() // max(1, limit))
    wanted = list(islice(_skus(rows), 0, step * limit, step))
    return [shared(row) for row in rows.filter(sku__in=wanted).select_related("category")]


def _skus(rows: QuerySet[Product]) -> Iterator[str]:
    last = ""
    while batch := list(rows.filter(sku__gt=last).values_list("sku", flat=True)[:BATCH]):
        yield from batch
        last = batch[-1]


def _categories() -> dict[str, Category]:
    known = {category.path: category for category in Category.objects.all()}
    for shelf in SHELVES:
        parent: Category | None = None
        path = ""
        for slug in shelf.path.split("/"):
            path = f"{path}/{slug}" if path else slug
            if path not in known:
                known[path] = Category(slug=slug, name=slug.capitalize(), parent=parent)
                known[path].save()
            parent = known[path]
    return known


def _product(index: int, random: Random, categories: dict[str, Category]) -> Product:
    shelf = random.choice(SHELVES)
    thing, material = random.choice(shelf.things), random.choice(shelf.materials)
    maker, color = random.choice(MAKERS), random.choice(COLORS)
    quality, size = random.choice(QUALITIES), random.choice(shelf.sizes)
    product = Product(
        sku=f"{shelf.prefix}-{index + 1:06d}",
        name=f"{maker} {quality} {material} {thing}",
        description=f"{thing} in {color}, {material.lower()}, {size}. {random.choice(PRAISES)}",
        category=categories[shelf.path],
        attributes={"maker": maker, "material": material.lower(), "color": color, "size": size},
        amount=_amount(shelf, random),
        currency="EUR",
        active=random.random() >= 0.03,
        created_at=timezone.now(),
    )
    product.search = product.searched()
    return product


def _amount(shelf: Shelf, random: Random) -> Decimal:
    """Many are cheap and few are dear, and all end in what shops end prices in."""
    whole = shelf.cheapest + int((shelf.dearest - shelf.cheapest) * random.random() ** 2)
    return Decimal(whole) + random.choice((Decimal("0.99"), Decimal("0.49"), Decimal("0.90")))
