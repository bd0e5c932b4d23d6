"""A shop with a few people and a few things, set up in the monolith over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from extracted.catalog import migrating as of_catalog
from extracted.inventory import migrating as of_inventory
from extracted.notifications import migrating as of_notifications
from strangler.ladder import Stage
from strangler.sqlalchemy.database import Database
from tests.monolith.catalog.samples import stock
from tests.monolith.people import PASSWORD
from tests.parity import carrying, postbag, warehouse
from tests.parity.arms import Arms, both
from tests.parity.warehouse import execute, sent
from tests.strangler.fastapi.running import JSON, Answered, ask

TREE = ("garden", "garden/tools", "garden/tools/small", "gardening", "kitchen")


@dataclass(frozen=True)
class Shop:
    """Both arms, and who may ask them."""

    arms: Arms
    people: dict[str, dict[str, str]]
    """The headers that each sends: ``anybody``, ``customer``, ``staff``."""
    urls: Mapping[str, str]
    """Of the databases of the ``monolith`` and of each service."""


def _people(url: str, database: str) -> dict[str, dict[str, str]]:
    for name in ("ida", "otto"):
        account = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        sent(ask(url, "POST", "/api/identity/register", json.dumps(account).encode(), JSON))
    execute(database, "UPDATE identity_user SET is_staff = TRUE WHERE username = 'otto'")
    people: dict[str, dict[str, str]] = {"anybody": {}}
    for role, name in (("customer", "ida"), ("staff", "otto")):
        login = json.dumps({"username": name, "password": PASSWORD}).encode()
        pair = sent(ask(url, "POST", "/api/identity/token", login, JSON)).json()
        people[role] = {"Authorization": f"Bearer {pair['access']}"}
    return people


def _shelved(create: Callable[[str, Any], Answered]) -> None:
    for path in TREE:
        create("/api/catalog/categories/", {"path": path, "name": path.rpartition("/")[2].title()})
    stock(lambda sku, **fields: create("/api/catalog/products/", product(sku, **fields)))
    for number in range(1, 19):
        fields = product(f"SEED-{number}", name=f"Seed {number % 7}", category="gardening")
        create("/api/catalog/products/", fields)


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


@contextmanager
def running(
    folder: Path, *, monolith: str, catalog: str, inventory: str, notifications: str
) -> Iterator[Shop]:
    """Both arms, each with databases of its own that hold the same; all by their URLs."""
    with (
        Database(catalog) as catalogs,
        Database(inventory) as inventories,
        Database(notifications) as told,
        both(
            folder,
            "catalog",
            "inventory",
            "notifications",
            settings="tests.parity.shop_settings",
            database=monolith,
            CATALOG_DATABASE_URL=catalog,
            INVENTORY_DATABASE_URL=inventory,
            INVENTORY_EXPIRY="3600",
            NOTIFICATIONS_DATABASE_URL=notifications,
            NOTIFICATIONS_DELIVERY="3600",
        ) as arms,
    ):
        of_catalog.SCHEMA.migrate(catalogs)
        of_inventory.SCHEMA.migrate(inventories)
        of_notifications.SCHEMA.migrate(told)
        arms.stand(Stage.MONOLITH)
        people = _people(arms.monolith.url, monolith)
        create = creating(arms.monolith.url, people["staff"])
        _shelved(create)
        warehouse.stocked(arms, create, monolith)
        assert carrying.carry(monolith, catalogs) > 20
        assert warehouse.carry(monolith, inventories) > 20
        postbag.filled(monolith)
        assert postbag.carry(monolith, told) > 20
        urls = {
            "monolith": monolith,
            "catalog": catalog,
            "inventory": inventory,
            "notifications": notifications,
        }
        yield Shop(arms, people, urls)
