"""What catalog can do: its port for other contexts, and what its own face needs beyond that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from contracts import catalog
from contracts.catalog import InvalidPrice, NotAllowed, UnknownProduct
from contracts.identity import Role
from contracts.money import Money
from monolith.catalog import models, telling
from monolith.catalog.currencies import DECIMALS, exact
from strangler.ports.context import current
from strangler.ports.errors import DeclaredError


class ProductExists(DeclaredError, status=409):
    """There is a product with this SKU already."""

    sku: str


class CategoryExists(DeclaredError, status=409):
    """There is a category at this place already."""

    path: str


class UnknownCategory(DeclaredError, status=400):
    """There is no such category."""

    path: str


class CatalogService(catalog.Catalog):
    """The catalog's port, answered from its tables."""

    def product(self, sku: str) -> catalog.Product:
        """One product, active or not."""
        return shared(find(sku))

    def products(self, skus: list[str]) -> list[catalog.Product]:
        """The products with these SKUs, in that order; a SKU that nobody knows is left out."""
        wanted = {sku for sku in skus if _is_sku(sku)}
        rows = models.Product.objects.select_related("category").filter(sku__in=wanted)
        found = {row.sku: shared(row) for row in rows}
        return [found[sku] for sku in skus if sku in found]

    def reprice(self, sku: str, price: Money) -> catalog.Product:
        """Sell this product at another price from now on; it takes a user who is staff."""
        if not by_staff():
            raise NotAllowed
        with transaction.atomic():
            row = find(sku, lock=True)
            if price.currency != row.currency:
                raise InvalidPrice(
                    sku=sku, reason=f"it is sold in {row.currency}, not in {price.currency}"
                )
            row.amount = checked(sku, price)
            row.save()
            telling.changed(row)
        return shared(row)

    def announce(self, after: str | None = None, limit: int = 1000) -> str | None:
        """Say again what the next products are like, by SKU; the last one's, or None at the end."""
        with transaction.atomic():
            # Locked, so that nothing newer is said before this is.
            rows = models.Product.objects.select_for_update(of=("self",))
            found = list(
                rows.select_related("category").filter(sku__gt=after or "").order_by("sku")[:limit]
            )
            telling.changed(*found)
        return found[-1].sku if found else None


def by_staff() -> bool:
    """Is what is done here done for somebody who runs the shop, whoever passed it on?"""
    user = current().user
    return user is not None and Role.STAFF in user.roles


def shared(row: models.Product) -> catalog.Product:
    """A product as other contexts know it; the category must have been fetched with it."""
    return catalog.Product(
        sku=row.sku,
        name=row.name,
        description=row.description,
        category=row.category.path,
        attributes=row.attributes,
        price=telling.price(row),
        active=row.active,
    )


def find(sku: str, *, lock: bool = False) -> models.Product:
    """One product's row with its category; locked until the transaction ends if asked to.

    Raises:
        UnknownProduct: there is none.
    """
    rows = models.Product.objects.select_related("category")
    if lock:
        rows = rows.select_for_update(of=("self",))
    row = rows.filter(sku=sku).first() if _is_sku(sku) else None
    if row is None:
        raise UnknownProduct(sku=sku)
    return row


def checked(sku: str, price: Money) -> Decimal:
    """The amount as it is stored.

    Raises:
        InvalidPrice: it is not positive, too large, or finer than its currency.
    """
    decimals = DECIMALS.get(price.currency)
    if decimals is None:
        raise InvalidPrice(sku=sku, reason=f"{price.currency!r} is no currency of ISO 4217")
    if not price.amount.is_finite() or not 0 < price.amount < models.PRICE_LIMIT:
        raise InvalidPrice(sku=sku, reason=f"a price is above 0 and below {models.PRICE_LIMIT}")
    amount = exact(price.amount, price.currency)
    if amount is None:
        raise InvalidPrice(sku=sku, reason=f"{price.currency} has {decimals} decimals")
    return amount


def create(
    *,
    sku: str,
    name: str,
    category: str,
    price: Money,
    description: str = "",
    attributes: Mapping[str, str] | None = None,
    active: bool = True,
) -> models.Product:
    """Take a new product into the catalog; whoever calls has checked form and length.

    Raises:
        ProductExists: this SKU is taken.
        UnknownCategory: nothing is at that path.
        InvalidPrice: see ``checked``.
    """
    row = models.Product(
        sku=sku,
        name=name,
        description=description,
        category=_category(category),
        attributes=dict(attributes or {}),
        amount=checked(sku, price),
        currency=price.currency,
        active=active,
    )
    with transaction.atomic():
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            raise ProductExists(sku=sku) from None
        telling.changed(row)
    return row


def update(sku: str, *, category: str | None = None, **changes: Any) -> models.Product:
    """Change a product's name, description, category, attributes, or whether it is on sale.

    Raises:
        UnknownProduct: there is none.
        UnknownCategory: nothing is at that path.
    """
    with transaction.atomic():
        row = find(sku, lock=True)
        if category is not None:
            row.category = _category(category)
        for name, value in changes.items():
            setattr(row, name, value)
        row.save()
        telling.changed(row)
    return row


def create_category(*, path: str, name: str) -> models.Category:
    """Add a category below an existing one, or at the root.

    Raises:
        CategoryExists: the place is taken.
        UnknownCategory: there is nothing to put it below.
    """
    above, _, slug = path.rpartition("/")
    row = models.Category(slug=slug, name=name, parent=_category(above) if above else None)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise CategoryExists(path=path) from None
    return row


def _category(path: str) -> models.Category:
    row = models.Category.objects.filter(path=path).first()
    if row is None:
        raise UnknownCategory(path=path)
    return row


def _is_sku(text: str) -> bool:
    return len(text) <= models.SKU_LENGTH and re.fullmatch(models.SKU, text) is not None
