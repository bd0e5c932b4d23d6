"""A shop with a few people and a few things, set up in the monolith over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import create_engine, text

from extracted.catalog.database import address
from strangler.ladder import Stage
from tests.monolith.catalog.samples import stock
from tests.monolith.people import PASSWORD
from tests.parity.arms import Arms
from tests.strangler.fastapi.running import JSON, Answered, ask

TREE = ("garden", "garden/tools", "garden/tools/small", "gardening", "kitchen")


@dataclass(frozen=True)
class Shop:
    """Both arms, and who may ask them."""

    arms: Arms
    people: dict[str, dict[str, str]]
    """The headers that each sends: ``anybody``, ``customer``, ``staff``."""


def opened(arms: Arms, database: str) -> dict[str, dict[str, str]]:
    """Make accounts, categories and products; returns the headers that people send."""
    url = arms.monolith.url
    arms.stand(Stage.MONOLITH)
    for name in ("ida", "otto"):
        account = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        sent(ask(url, "POST", "/api/identity/register", json.dumps(account).encode(), JSON))
    engine = create_engine(address(database))
    with engine.begin() as connection:
        connection.execute(text("UPDATE identity_user SET is_staff = TRUE WHERE username = 'otto'"))
    engine.dispose()
    people: dict[str, dict[str, str]] = {"anybody": {}}
    for role, name in (("customer", "ida"), ("staff", "otto")):
        login = json.dumps({"username": name, "password": PASSWORD}).encode()
        pair = sent(ask(url, "POST", "/api/identity/token", login, JSON)).json()
        people[role] = {"Authorization": f"Bearer {pair['access']}"}
    create = creating(url, people["staff"])
    for path in TREE:
        create("/api/catalog/categories/", {"path": path, "name": path.rpartition("/")[2].title()})
    stock(lambda sku, **fields: create("/api/catalog/products/", product(sku, **fields)))
    for number in range(1, 19):
        fields = product(f"SEED-{number}", name=f"Seed {number % 7}", category="gardening")
        create("/api/catalog/products/", fields)
    return people


def product(
    sku: str, *, amount: str = "9.99", currency: str = "EUR", **fields: Any
) -> dict[str, Any]:
    """The body that makes a product."""
    price = {"amount": amount, "currency": currency}
    return {"sku": sku, "name": sku.capitalize(), "category": "garden", "price": price, **fields}


def creating(url: str, staff: dict[str, str]) -> Callable[[str, Any], Answered]:
    """Posts as staff."""

    def create(path: str, body: Any) -> Answered:
        return sent(ask(url, "POST", path, json.dumps(body).encode(), {**JSON, **staff}))

    return create


def sent(answer: Answered) -> Answered:
    """It has gone well."""
    assert answer.status in {200, 201}, answer.body
    return answer
