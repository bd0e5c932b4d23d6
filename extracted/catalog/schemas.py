"""The JSON of catalog's HTTP face: what is accepted, and what is answered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from contracts.catalog import Product
from contracts.money import Money
from extracted.catalog.currencies import DECIMALS, exact
from extracted.catalog.fields import (
    ABSENT,
    Choice,
    Flag,
    Many,
    Names,
    Number,
    Record,
    Text,
)
from extracted.catalog.money import LIMIT
from extracted.catalog.search import ORDERINGS, Wanted
from extracted.catalog.service import SKU, SKU_LENGTH
from strangler.fastapi.rest.asking import Invalid, wrong

_CATEGORY = r"[a-z0-9-]+(/[a-z0-9-]+)*"
_ATTRIBUTE = r"[a-z][a-z0-9_-]{0,49}"
_ATTRIBUTES = 50


class Currency(Text):
    """A currency of ISO 4217."""

    def text(self, given: Any) -> str:
        """A code that ISO 4217 lists, if it looks like one."""
        code = super().text(given)
        if re.fullmatch("[A-Z]{3}", code) and code not in DECIMALS:
            raise wrong(f"{code} is no currency of ISO 4217.")
        return code


def _price(given: dict[str, Any]) -> Money:
    """A positive amount, no finer than its currency."""
    amount, currency = given["amount"], given["currency"]
    if not 0 < amount < LIMIT:
        raise wrong(f"A price is above 0 and below {LIMIT}.", ".amount")
    if exact(amount, currency) is None:
        raise wrong(f"{currency} has {DECIMALS[currency]} decimals.", ".amount")
    return Money(amount, currency)


def _attributes(given: Mapping[str, Any]) -> str | None:
    """Not too many, and with names that a query can hold."""
    if len(given) > _ATTRIBUTES:
        return f"A product has at most {_ATTRIBUTES} attributes."
    if not all(re.fullmatch(_ATTRIBUTE, name) for name in given):
        return "An attribute's name is small letters, digits, - and _, and at most 50 of them."
    return None


def _wanted(given: dict[str, Any]) -> Wanted:
    """A range of prices means something in one currency only."""
    if {"min_price", "max_price"} & set(given) and "currency" not in given:
        raise wrong("A range of prices wants a currency.", ".currency")
    pairs = [tuple(pair.split(":", 1)) for pair in given.pop("attribute", [])]
    return Wanted(attributes=pairs, **given)


def _path(*, required: bool = True) -> Text:
    return Text(longest=255, pattern=rf"^{_CATEGORY}$", required=required)


def _amount(*, required: bool = True) -> Number:
    return Number(digits=14, decimals=4, required=required)


_DETAILS = {
    "description": Text(longest=10_000, blank=True, required=False),
    "attributes": Names(of=Text(longest=200), check=_attributes, required=False),
    "active": Flag(required=False),
}
PRICE = Record(
    fields={"amount": _amount(), "currency": Currency(pattern=r"^[A-Z]{3}$")}, made=_price
)
PRODUCT = Record(
    fields={
        "sku": Text(longest=SKU_LENGTH, pattern=rf"^{SKU}$"),
        "name": Text(longest=200),
        "description": _DETAILS["description"],
        "category": _path(),
        "attributes": _DETAILS["attributes"],
        "price": PRICE,
        "active": _DETAILS["active"],
    }
)
CHANGE = Record(
    fields={
        "name": Text(longest=200, required=False),
        "description": _DETAILS["description"],
        "category": _path(required=False),
        "attributes": _DETAILS["attributes"],
        "active": _DETAILS["active"],
    }
)
CATEGORY = Record(fields={"path": _path(), "name": Text(longest=100)})
WANTED = Record(
    fields={
        "search": Text(longest=100, required=False),
        "category": _path(required=False),
        "attribute": Many(
            of=Text(longest=251, pattern=rf"^{_ATTRIBUTE}:.+$"), most=10, required=False
        ),
        "currency": Currency(pattern=r"^[A-Z]{3}$", required=False),
        "min_price": _amount(required=False),
        "max_price": _amount(required=False),
        "active": Flag(required=False, nullable=True),
        "ordering": Choice(
            words=[sign + name for name in ORDERINGS for sign in ("", "-")], required=False
        ),
    },
    made=_wanted,
)


class CategoryTree(BaseModel):
    """A category and all that are below it."""

    path: str
    name: str
    children: list[CategoryTree]


def changes(given: Any) -> dict[str, Any]:
    """What is to change about a product; its price has an operation of its own.

    Raises:
        Invalid: with everything that is wrong; what can't be changed here is not ignored.
    """
    if isinstance(given, dict) and (extra := sorted(set(given) - set(CHANGE.fields))):
        raise Invalid((f".{name}", "This can't be changed here.") for name in extra)
    found: dict[str, Any] = CHANGE.read(given)
    return found


def wanted(query: Mapping[str, list[str]]) -> Wanted:
    """What a query string looks for; the last of several values counts, and an empty one is none.

    Raises:
        Invalid: with everything that is wrong.
    """
    given = {
        name: values if isinstance(WANTED.fields.get(name), Many) else values[-1] or ABSENT
        for name, values in query.items()
    }
    found: Wanted = WANTED.read(given)
    return found


def shown(product: Product) -> dict[str, Any]:
    """A product, as it is answered."""
    attributes: Mapping[str, Any] = product.attributes  # an old row may hold what is no text
    return {
        "sku": product.sku,
        "name": product.name,
        "description": product.description,
        "category": product.category,
        "attributes": {
            name: None if value is None else str(value) for name, value in attributes.items()
        },
        "price": {
            "amount": f"{product.price.amount:f}",
            "currency": product.price.currency,
        },
        "active": product.active,
    }
