"""What the shop sells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from contracts.money import Money
from strangler.events.declare import event
from strangler.ports.declare import Meta, Port, command, query
from strangler.ports.errors import DeclaredError


@dataclass(frozen=True, slots=True)
class Product:
    """One product; ``category`` is the path of slugs from the root, such as ``garden/tools``."""

    sku: str
    name: str
    description: str
    category: str
    attributes: dict[str, str]
    price: Money
    active: bool


@event("catalog.product.changed", key="sku")
@dataclass(frozen=True, slots=True)
class ProductChanged:
    """What a product is like from now on."""

    sku: str
    name: str
    category: str
    price: Money
    active: bool


@event("catalog.product.removed", key="sku")
@dataclass(frozen=True, slots=True)
class ProductRemoved:
    """No product has this SKU any more."""

    sku: str


class UnknownProduct(DeclaredError, status=404):
    """No product has this SKU."""

    sku: str


class InvalidPrice(DeclaredError, status=400):
    """A price is positive, and in the currency that the product is sold in."""

    sku: str
    reason: str


class NotAllowed(DeclaredError, status=403):
    """Only staff change prices."""


class Catalog(Port, capability="catalog"):
    """What the shop sells."""

    @query(timeout=1.0, raises=[UnknownProduct])
    def product(self, sku: str) -> Product:
        """One product, active or not."""

    @query(timeout=1.0)
    def products(self, skus: list[str]) -> list[Product]:
        """The products with these SKUs, in that order; a SKU that nobody knows is left out."""

    @command(idempotent=True, raises=[NotAllowed, UnknownProduct, InvalidPrice])
    def reprice(self, sku: str, price: Money) -> Product:
        """Sell this product at another price from now on; it takes a user who is staff."""

    @command(idempotent=True, timeout=10.0)
    def announce(
        self,
        after: str | None = None,
        limit: Annotated[int, Meta(ge=1, le=1000)] = 1000,
    ) -> str | None:
        """Say again what the next products are like, by SKU, from behind ``after`` on.

        Gives the last one's SKU, to go on behind; None where there are no more. Whoever keeps a
        copy of products fills it so.
        """
