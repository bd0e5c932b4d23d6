"""A shop with goods in three warehouses, the same on both arms of inventory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Column, MetaData, Table, create_engine, insert, select, text

from contracts.inventory import Inventory, Item
from extracted.inventory.migrating import SCHEMA
from extracted.inventory.models import Base
from extracted.inventory.transfer import tables
from strangler.ladder import Stage
from strangler.manifest.model import Resilience
from strangler.ports import runtime
from strangler.ports.bind import bind
from strangler.ports.calling import remote
from strangler.ports.errors import DeclaredError
from strangler.ports.trust.keys import Keyring
from strangler.sqlalchemy.database import Database, address
from tests.monolith.people import PASSWORD
from tests.parity.arms import Arms, both
from tests.strangler.fastapi.running import JSON, Answered, ask

URL = "/api/inventory"
ORDERS = [UUID(int=number) for number in range(1, 9)]
HELD, LAPSED, COMMITTED, RELEASED, EXPIRED, *UNKNOWN = ORDERS
GOODS = {"A": {"near": 3, "far": 5}, "B": {"far": 4}, "C": {"near": 2}, "D-1": {"near": 50}}


@dataclass(frozen=True)
class Warehouses:
    """Both arms, and who may ask them."""

    arms: Arms
    people: dict[str, dict[str, str]]
    """The headers that each sends: ``anybody``, ``customer``, ``staff``."""


@contextmanager
def running(folder: Path, *, monolith: str, service: str) -> Iterator[Warehouses]:
    """Both arms, each with a database of its own that holds the same."""
    with Database(service) as database:
        SCHEMA.migrate(database)
        with both(
            folder,
            "inventory",
            settings="monolith.config.settings",
            database=monolith,
            INVENTORY_DATABASE_URL=service,
            INVENTORY_EXPIRY="3600",
        ) as arms:
            arms.stand(Stage.MONOLITH)
            people = _people(arms.monolith.url, monolith)
            _stocked(arms, people["staff"], monolith)
            assert carry(monolith, database) > 20
            yield Warehouses(arms, people)


def carry(monolith: str, service: Database) -> int:
    """Fill the service's empty database; returns how many rows of the monolith there were."""
    shop = MetaData()
    carried = 0
    engine = create_engine(address(monolith))
    with engine.connect() as source, service.transaction() as session:
        for one in tables:
            (target,) = one.targets
            made = Base.metadata.tables[target.table]
            # Whatever is copied has the same type on both sides.
            columns = [Column(theirs, made.c[mine].type) for mine, theirs in target.copied.items()]
            for row in source.execute(select(Table(one.source, shop, *columns))).mappings():
                session.execute(insert(made).values(**one.up(row)[target.table]))
                carried += 1
            if not service.sqlite and "id" in made.c:
                number = f"pg_get_serial_sequence('{target.table}', 'id')"
                session.execute(text(f"SELECT setval({number}, max(id)) FROM {target.table}"))  # noqa: S608 - our own tables
    engine.dispose()
    return carried


def called(arms: Arms, party: str, stage: Stage, method: str, *arguments: Any) -> Any:
    """What the port answers, or the declared error that it raises."""
    url = arms.service.url if party == "inventory" else arms.monolith.url
    arms.stand(stage)
    with runtime.configured(
        party="monolith",
        keyring=Keyring.load(arms.keys, "monolith"),
        urls=lambda _name, _arm: (url,),
        audience=lambda _name, _arm: party,
        resilience=lambda _name: Resilience(attempts=1),
        place=None,
        placed={"inventory": "remote"},
    ):
        try:
            return getattr(bind(Inventory), method)(*arguments)
        except DeclaredError as error:
            return type(error), error.detail()
        finally:
            remote.close()


def _people(url: str, monolith: str) -> dict[str, dict[str, str]]:
    for name in ("ida", "otto"):
        account = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        sent(ask(url, "POST", "/api/identity/register", json.dumps(account).encode(), JSON))
    _execute(monolith, "UPDATE identity_user SET is_staff = TRUE WHERE username = 'otto'")
    people: dict[str, dict[str, str]] = {"anybody": {}}
    for role, name in (("customer", "ida"), ("staff", "otto")):
        login = json.dumps({"username": name, "password": PASSWORD}).encode()
        pair = sent(ask(url, "POST", "/api/identity/token", login, JSON)).json()
        people[role] = {"Authorization": f"Bearer {pair['access']}"}
    return people


def _stocked(arms: Arms, staff: dict[str, str], monolith: str) -> None:
    def create(path: str, body: Any) -> None:
        data = json.dumps(body).encode()
        sent(ask(arms.monolith.url, "POST", f"{URL}/{path}", data, {**JSON, **staff}))

    for code, rank in (("far", 20), ("near", 10), ("empty", 20)):
        create("warehouses", {"code": code, "name": code.title(), "rank": rank})
    goods = {**GOODS, **{f"S{number}": {"far": number + 1} for number in range(22)}}
    for sku, lying in goods.items():
        for code, delta in lying.items():
            moved = {"sku": sku, "warehouse": code, "delta": delta, "reason": "received"}
            create("movements", moved)

    def call(method: str, *arguments: Any) -> None:
        called(arms, "monolith", Stage.MONOLITH, method, *arguments)

    for order in (HELD, LAPSED, COMMITTED, RELEASED, EXPIRED):
        call("reserve", order, [Item("A", 1), Item("D-1", 2)])
    call("commit", COMMITTED)
    call("release", RELEASED)
    past = "expires_at = '2026-01-01 00:00:00'"
    either = "replace(CAST(\"order\" AS VARCHAR(36)), '-', '')"
    _execute(monolith, f"UPDATE inventory_reservation SET {past} WHERE {either} = '{LAPSED.hex}'")  # noqa: S608 - our own
    _execute(
        monolith,
        f"UPDATE inventory_reservation SET {past}, state = 'expired' WHERE {either} = "  # noqa: S608 - ditto
        f"'{EXPIRED.hex}'",
        "UPDATE inventory_stock SET reserved = reserved - 1 WHERE id = (SELECT min(id) FROM "
        "inventory_stock WHERE sku = 'A' AND reserved > 0)",
        "UPDATE inventory_stock SET reserved = reserved - 2 WHERE sku = 'D-1'",
    )


def _execute(url: str, *statements: str) -> None:
    engine = create_engine(address(url))
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def sent(answer: Answered) -> Answered:
    """It has gone well."""
    assert answer.status in {200, 201}, answer.body
    return answer
