"""A shop with a few people and a few things, set up in the monolith over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from contracts.catalog import Catalog
from extracted.catalog.migrating import SCHEMA
from strangler.ladder import Stage
from strangler.manifest.model import Resilience
from strangler.ports import runtime
from strangler.ports.bind import bind
from strangler.ports.calling import remote
from strangler.ports.errors import DeclaredError
from strangler.ports.trust.keys import Keyring
from strangler.sqlalchemy.database import Database, address
from tests.monolith.catalog.samples import stock
from tests.monolith.people import PASSWORD
from tests.parity.arms import Arms, both
from tests.parity.carrying import carry
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


@contextmanager
def running(folder: Path, *, monolith: str, service: str) -> Iterator[Shop]:
    """Both arms, each with a database of its own that holds the same."""
    database = Database(service)
    SCHEMA.migrate(database)
    with both(
        folder,
        "catalog",
        settings="tests.parity.shop_settings",
        database=monolith,
        CATALOG_DATABASE_URL=service,
    ) as arms:
        people = opened(arms, monolith)
        assert carry(monolith, database) > 20
        database.close()
        yield Shop(arms, people)


def called(shop: Shop, party: str, stage: Stage, method: str, *arguments: Any) -> Any:
    """What the port answers, or the declared error that it raises."""
    url = shop.arms.service.url if party == "catalog" else shop.arms.monolith.url
    shop.arms.stand(stage)
    with runtime.configured(
        party="monolith",
        keyring=Keyring.load(shop.arms.keys, "monolith"),
        urls=lambda _name, _arm: (url,),
        audience=lambda _name, _arm: party,
        resilience=lambda _name: Resilience(attempts=1),
        place=None,
        placed={"catalog": "remote"},
    ):
        try:
            return getattr(bind(Catalog), method)(*arguments)
        except DeclaredError as error:
            return type(error), error.detail()
        finally:
            remote.close()
