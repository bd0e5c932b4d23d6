"""Fills a whole shop: each context fills itself, and here they are told about each other.

A context offers ``fill(how many or for what, *, seed, advance)`` in its own ``seeding`` module. It
writes in batches, a transaction each, and calls ``advance`` with the size of each batch. What it
needs of another context is handed to it from here: ids, SKUs, and what contracts define.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from monolith.catalog import seeding as catalog
from monolith.identity import seeding as identity
from monolith.inventory import seeding as inventory
from monolith.ordering import products as known
from monolith.ordering import seeding as ordering

SAMPLE = 2000
"""Of how many customers and products the orders are; all would not fit into memory."""

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], object]]]
"""Opens a progress bar: what is made, and how many; inside, it is told how many more are done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a shop."""

    products: int = 200
    customers: int = 20
    orders: int = 50


class NobodyToOrder(ValueError):
    """Orders want products and customers."""


def is_empty() -> bool:
    """Whether nobody has put anything into this shop."""
    return not identity.count() and not catalog.count()


def fill(size: Size, *, seed: int, progress: Progress) -> dict[str, str]:
    """Fill a shop, or add to it; the passwords of the demo accounts, in development.

    The same seed on the same shop always makes the same.

    Raises:
        NobodyToOrder: there are to be orders, but no products or no customers.
    """
    if size.orders and not (
        (size.products or catalog.count()) and (size.customers or identity.sample(1))
    ):
        raise NobodyToOrder
    accounts = identity.demo_accounts()
    with progress("customers", size.customers) as advance:
        identity.fill(size.customers, seed=seed, advance=advance)
    with progress("products", size.products) as advance:
        catalog.fill(size.products, seed=seed, advance=advance)
    with progress("their names", catalog.count()) as advance:
        known.fill(catalog.everything(), advance=advance)
    with progress("stock", catalog.count()) as advance:
        inventory.fill(catalog.skus(), seed=seed, advance=advance)
    with progress("orders", size.orders) as advance:
        ordering.fill(
            size.orders,
            customers=identity.sample(SAMPLE),
            skus=[product.sku for product in catalog.sample(SAMPLE)],
            seed=seed,
            advance=advance,
        )
    return accounts
