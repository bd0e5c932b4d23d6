"""A shop with goods in three warehouses, the same on both arms of inventory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import Column, MetaData, Table, create_engine, insert, select, text

from contracts.inventory import Inventory, Item
from extracted.inventory.models import Base
from extracted.inventory.transfer import tables
from strangler.ladder import Stage
from strangler.sqlalchemy.database import Database, address
from tests.parity.arms import Arms
from tests.strangler.fastapi.running import Answered

URL = "/api/inventory"
ORDERS = [UUID(int=number) for number in range(1, 9)]
HELD, LAPSED, COMMITTED, RELEASED, EXPIRED, *UNKNOWN = ORDERS
GOODS = {"A": {"near": 3, "far": 5}, "B": {"far": 4}, "C": {"near": 2}, "D-1": {"near": 50}}


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


def stocked(arms: Arms, create: Callable[[str, Any], Answered], monolith: str) -> None:
    """Fill the monolith's: ``create`` posts as staff."""
    for code, rank in (("far", 20), ("near", 10), ("empty", 20)):
        create(f"{URL}/warehouses", {"code": code, "name": code.title(), "rank": rank})
    goods = {**GOODS, **{f"S{number}": {"far": number + 1} for number in range(22)}}
    for sku, lying in goods.items():
        for code, delta in lying.items():
            moved = {"sku": sku, "warehouse": code, "delta": delta, "reason": "received"}
            create(f"{URL}/movements", moved)

    def call(method: str, *arguments: Any) -> None:
        arms.called(Inventory, "monolith", Stage.MONOLITH, method, *arguments)

    for order in (HELD, LAPSED, COMMITTED, RELEASED, EXPIRED):
        call("reserve", order, [Item("A", 1), Item("D-1", 2)])
    call("commit", COMMITTED)
    call("release", RELEASED)
    past = "expires_at = '2026-01-01 00:00:00'"
    either = "replace(CAST(\"order\" AS VARCHAR(36)), '-', '')"
    execute(monolith, f"UPDATE inventory_reservation SET {past} WHERE {either} = '{LAPSED.hex}'")  # noqa: S608 - our own
    execute(
        monolith,
        f"UPDATE inventory_reservation SET {past}, state = 'expired' WHERE {either} = "  # noqa: S608 - ditto
        f"'{EXPIRED.hex}'",
        "UPDATE inventory_stock SET reserved = reserved - 1 WHERE id = (SELECT min(id) FROM "
        "inventory_stock WHERE sku = 'A' AND reserved > 0)",
        "UPDATE inventory_stock SET reserved = reserved - 2 WHERE sku = 'D-1'",
    )


def execute(url: str, *statements: str) -> None:
    """Do as nobody could do over HTTP."""
    engine = create_engine(address(url))
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def sent(answer: Answered) -> Answered:
    """It has gone well."""
    assert answer.status in {200, 201}, answer.body
    return answer
