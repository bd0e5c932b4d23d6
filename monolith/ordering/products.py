"""What ordering knows of products: as much as it shows of them, as catalog has last said.

What is older than what is known changes nothing, however late it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import islice
from typing import Any

from contracts.catalog import Catalog, ProductChanged
from monolith.ordering.models import Product
from strangler.ports.bind import bind

BATCH = 2000
catalog = bind(Catalog)


def known_names(skus: Collection[str]) -> dict[str, str]:
    """The names of those products that are known."""
    known = Product.objects.filter(sku__in=skus).exclude(name="")
    return dict(known.values_list("sku", "name"))


def learn(product: ProductChanged, *, version: int) -> None:
    """It is like this from now on."""
    _write(
        product.sku,
        version,
        name=product.name,
        category=product.category,
        active=product.active,
        removed=False,
    )


def forget(sku: str, *, version: int) -> None:
    """It is not sold any more: orders still show its name."""
    _write(sku, version, active=False, removed=True)


def fill(products: Iterable[ProductChanged], *, advance: Callable[[int], object]) -> None:
    """Learn those that are not known yet, a batch a query; ``advance`` hears of each batch.

    Whatever is said of them is newer than this.
    """
    rows = (
        Product(sku=one.sku, name=one.name, category=one.category, active=one.active, version=0)
        for one in products
    )
    while batch := list(islice(rows, BATCH)):
        Product.objects.bulk_create(batch, ignore_conflicts=True)
        advance(len(batch))


def forget_all() -> None:
    """Know none. Names of products that there are no more are forgotten for good."""
    Product.objects.all().delete()


def ask() -> None:
    """Have catalog say again what each is like.

    Raises:
        PortError: it has not said them all.
    """
    last = catalog.announce(None)
    while last is not None:
        last = catalog.announce(last)


def _write(sku: str, version: int, **known: Any) -> None:
    older = Product.objects.filter(pk=sku, version__lt=version)
    if not older.update(version=version, **known):
        row = Product(sku=sku, version=version, **known)
        Product.objects.bulk_create([row], ignore_conflicts=True)
