"""What catalog can do: its port for other contexts, and what its own face needs beyond that."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from contracts import catalog
from contracts.catalog import InvalidPrice, NotAllowed, UnknownProduct
from contracts.identity import Role
from contracts.money import Money
from extracted.catalog import search, telling
from extracted.catalog.models import Category, Price, Product
from extracted.catalog.money import checked, money
from extracted.catalog.search import Wanted, searchable
from strangler.ports.context import current
from strangler.ports.errors import DeclaredError
from strangler.sqlalchemy.database import Database

SKU = r"[A-Z0-9]+(-[A-Z0-9]+)*"
SKU_LENGTH = 64


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
    """The catalog, answered from its tables; each call is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.engine.dialect

    def product(self, sku: str) -> catalog.Product:
        """One product, active or not."""
        with self._database.reading() as session:
            return shared(_find(session, sku))

    def products(self, skus: list[str]) -> list[catalog.Product]:
        """The products with these SKUs, in that order; a SKU that nobody knows is left out."""
        wanted = {sku for sku in skus if _is_sku(sku)}
        with self._database.reading() as session:
            rows = session.scalars(search.everything().where(Product.sku.in_(wanted)))
            found = {row.sku: shared(row) for row in rows}
        return [found[sku] for sku in skus if sku in found]

    def reprice(self, sku: str, price: Money) -> catalog.Product:
        """Sell this product at another price from now on; it takes a user who is staff."""
        if not by_staff():
            raise NotAllowed
        with self._database.transaction() as session:
            row = _find(session, sku, lock=True)
            if price.currency != row.price.currency:
                raise InvalidPrice(
                    sku=sku, reason=f"it is sold in {row.price.currency}, not in {price.currency}"
                )
            row.price.ten_thousandths = checked(sku, price)
            row.changed_at = datetime.now(UTC)
            session.flush()
            telling.changed(session, row)
            return shared(row)

    def announce(self, after: str | None = None, limit: int = 1000) -> str | None:
        """Say again what the next products are like, by SKU; the last one's, or None at the end."""
        rows = search.everything().where(Product.sku > (after or "")).order_by(Product.sku)
        # Locked, so that nothing newer is said before this is.
        locked = rows.limit(limit).with_for_update(of=(Product, Price))
        with self._database.transaction() as session:
            found = session.scalars(locked).all()
            telling.changed(session, *found)
            return found[-1].sku if found else None

    def count(self, wanted: Wanted) -> int:
        """How many products are looked for."""
        with self._database.reading() as session:
            return session.scalars(search.count(wanted, self._dialect)).one()

    def page(self, wanted: Wanted, *, offset: int, limit: int) -> list[catalog.Product]:
        """Some of the products that are looked for."""
        rows = search.products(wanted, self._dialect).offset(offset).limit(limit)
        with self._database.reading() as session:
            return [shared(row) for row in session.scalars(rows)]

    def create(
        self,
        *,
        sku: str,
        name: str,
        category: str,
        price: Money,
        description: str = "",
        attributes: Mapping[str, str] | None = None,
        active: bool = True,
    ) -> catalog.Product:
        """Take a new product into the catalog; whoever calls has checked form and length.

        Raises:
            ProductExists: this SKU is taken.
            UnknownCategory: nothing is at that path.
            InvalidPrice: see ``checked``.
        """
        now = datetime.now(UTC)
        with self._database.transaction() as session:
            row = Product(
                sku=sku,
                title=name,
                details=description,
                category=_category(session, category),
                attributes=dict(attributes or {}),
                withdrawn=not active,
                added_at=now,
                changed_at=now,
                price=Price(sku=sku, ten_thousandths=checked(sku, price), currency=price.currency),
            )
            row.words = _words(row)
            try:
                with session.begin_nested():
                    session.add(row)
            except IntegrityError:
                if session.get(Product, sku) is None:
                    raise
                raise ProductExists(sku=sku) from None
            telling.changed(session, row)
            return shared(row)

    def update(self, sku: str, *, category: str | None = None, **changes: Any) -> catalog.Product:
        """Change a product's name, description, category, attributes, or whether it is on sale.

        Raises:
            UnknownProduct: there is none.
            UnknownCategory: nothing is at that path.
        """
        with self._database.transaction() as session:
            row = _find(session, sku, lock=True)
            if category is not None:
                row.category = _category(session, category)
            for name, value in changes.items():
                _change(row, name, value)
            row.words = _words(row)
            row.changed_at = datetime.now(UTC)
            session.flush()
            telling.changed(session, row)
            return shared(row)

    def categories(self) -> Sequence[tuple[str, str]]:
        """The path and the name of every category, by path."""
        with self._database.reading() as session:
            found = session.execute(select(Category.path, Category.title).order_by(Category.path))
            return [(path, title) for path, title in found]

    def create_category(self, *, path: str, name: str) -> None:
        """Add a category below an existing one, or at the root.

        Raises:
            CategoryExists: the place is taken.
            UnknownCategory: there is nothing to put it below.
        """
        above, _, slug = path.rpartition("/")
        with self._database.transaction() as session:
            parent = _category(session, above) if above else None
            row = Category(
                parent_id=parent.id if parent else None,
                slug=slug,
                title=name,
                path=path,
                depth=path.count("/") + 1,
            )
            try:
                with session.begin_nested():
                    session.add(row)
            except IntegrityError:
                if session.scalars(_at(path)).first() is None:
                    raise
                raise CategoryExists(path=path) from None


def by_staff() -> bool:
    """Is what is done here done for somebody who runs the shop, whoever passed it on?"""
    user = current().user
    return user is not None and Role.STAFF in user.roles


def shared(row: Product) -> catalog.Product:
    """A product as other contexts know it; category and price must have been fetched with it."""
    return catalog.Product(
        sku=row.sku,
        name=row.title,
        description=row.details,
        category=row.category.path,
        attributes=row.attributes,
        price=money(row.price.ten_thousandths, row.price.currency),
        active=not row.withdrawn,
    )


def _find(session: Session, sku: str, *, lock: bool = False) -> Product:
    """One product; locked until the transaction ends if asked to.

    Raises:
        UnknownProduct: there is none.
    """
    rows = search.everything().where(Product.sku == sku)
    if lock:
        rows = rows.with_for_update(of=(Product, Price))
    row = session.scalars(rows).first() if _is_sku(sku) else None
    if row is None:
        raise UnknownProduct(sku=sku)
    return row


def _category(session: Session, path: str) -> Category:
    row = session.scalars(_at(path)).first()
    if row is None:
        raise UnknownCategory(path=path)
    return row


def _at(path: str) -> Select[Category]:
    return select(Category).where(Category.path == path)


def _change(row: Product, name: str, value: Any) -> None:
    if name == "active":
        row.withdrawn = not value
    else:
        setattr(row, _COLUMNS[name], value)


_COLUMNS = {"name": "title", "description": "details", "attributes": "attributes"}


def _words(row: Product) -> str:
    """What a search looks through."""
    return searchable(f"{row.sku}\n{row.title}\n{row.details}")


def _is_sku(text: str) -> bool:
    return len(text) <= SKU_LENGTH and re.fullmatch(SKU, text) is not None
