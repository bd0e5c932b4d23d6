"""Which products somebody is looking for."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Dialect, Select, String, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, contains_eager

from extracted.catalog.models import Category, Price, Product
from extracted.catalog.money import ten_thousandths

_NAME, _PRICE, _ADDED = Product.title, (Price.currency, Price.ten_thousandths), Product.added_at
ORDERINGS: dict[str, tuple[InstrumentedAttribute[Any], ...]] = {
    "name": (_NAME, Product.sku),
    "price": (*_PRICE, Product.sku),
    "created": (_ADDED, Product.sku),
}
"""What products may be ordered by; the SKU decides between equals, so that pages never overlap."""


def searchable(text: str) -> str:
    """Text as it is searched: without case, accents, or the database's opinion on either."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the products have in common; each of these narrows the search further.

    An ``ordering`` with a minus before it is that ordering backwards.
    """

    search: str = ""
    category: str = ""
    attributes: Sequence[tuple[str, str]] = ()
    currency: str = ""
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    active: bool | None = None
    ordering: str = "name"


def everything() -> Select[Product]:
    """All products, each with its category and its price."""
    return (
        select(Product)
        .join(Product.category)
        .join(Product.price)
        .options(contains_eager(Product.category), contains_eager(Product.price))
    )


def products(wanted: Wanted, dialect: Dialect) -> Select[Product]:
    """The products, in order: one query, however many there are."""
    columns = ORDERINGS[wanted.ordering.removeprefix("-")]
    backwards = wanted.ordering.startswith("-")
    order = [column.desc() if backwards else column.asc() for column in columns]
    return everything().where(*_conditions(wanted, dialect)).order_by(*order)


def count(wanted: Wanted, dialect: Dialect) -> Select[int]:
    """How many there are; joins no more than the conditions need."""
    counted = select(func.count()).select_from(Product)
    if wanted.category:
        counted = counted.join(Product.category)
    if wanted.currency or wanted.min_price is not None or wanted.max_price is not None:
        counted = counted.join(Product.price)
    return counted.where(*_conditions(wanted, dialect))


def _conditions(wanted: Wanted, dialect: Dialect) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        Product.words.contains(word, autoescape=True) for word in searchable(wanted.search).split()
    ]
    if wanted.category:
        below = Category.path.startswith(f"{wanted.category}/", autoescape=True)
        found.append(or_(Category.path == wanted.category, below))
    found += [_has(key, value, dialect) for key, value in wanted.attributes]
    if wanted.currency:
        found.append(Price.currency == wanted.currency)
    if wanted.min_price is not None:
        found.append(Price.ten_thousandths >= ten_thousandths(wanted.min_price))
    if wanted.max_price is not None:
        found.append(Price.ten_thousandths <= ten_thousandths(wanted.max_price))
    if wanted.active is not None:
        found.append(Product.withdrawn.is_not(wanted.active))
    return found


def _has(key: str, value: str, dialect: Dialect) -> ColumnElement[bool]:
    """This attribute is this text: what is no text is not the same, however it is written."""
    if dialect.name == "postgresql":
        return Product.attributes.op("@>", is_comparison=True)({key: value})
    # ``as_string`` would make a text of a number first.
    return func.json_extract(Product.attributes, f'$."{key}"', type_=String()) == value
