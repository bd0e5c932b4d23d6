"""What depends on the database, on PostgreSQL: searches, lists, commands, ports, and races."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, create_engine, text

from strangler.sqlalchemy.database import address
from tests.parity import test_catalog as catalog
from tests.parity import test_inventory as inventory
from tests.parity.catalog_cases import CALLS, GOOD_QUERIES
from tests.parity.shop import Shop
from tests.parity.test_inventory import Asking, sending
from tests.parity.warehouse import URL
from tests.strangler.fastapi.running import JSON, Answered

pytestmark = pytest.mark.postgres


def test_the_catalog(shop_on_postgres: Shop):
    catalog.live(shop_on_postgres)
    for query in GOOD_QUERIES:
        catalog.agreed(shop_on_postgres, catalog.looking(query))
    for call in CALLS[:10]:
        catalog.compare(shop_on_postgres, *call)


def test_the_inventory(shop_on_postgres: Shop):
    inventory.change(shop_on_postgres)
    lists = (Asking(200, f"/stock?{query}") for query in inventory.LISTS)
    zero = "\0"
    refused = (
        sending(400, {**inventory.HOUSE, "rank": 32_768}, "/warehouses"),
        sending(400, {**inventory.HOUSE, "code": f"a{zero}"}, "/warehouses"),
        sending(400, {**inventory.MOVE, "warehouse": zero}),
        sending(400, {**inventory.MOVE, "sku": f"A{zero}"}),
        Asking(200, "/movements?warehouse=%00"),
        Asking(400, "/availability?sku=%00"),
    )
    inventory.agreed(shop_on_postgres, *lists, *refused)
    inventory.call(shop_on_postgres)
    inventory.agreed(shop_on_postgres, Asking(200, "/stock?page_size=100"))


TABLES = {"monolith": ("monolith", "inventory_warehouse"), "edge": ("inventory", "warehouse")}


@pytest.mark.parametrize("way", TABLES)
@pytest.mark.parametrize(
    ("method", "path"), [("PATCH", "/warehouses/empty"), ("POST", "/warehouses")]
)
def test_a_code_that_somebody_else_is_just_taking(
    shop_on_postgres: Shop, way: str, method: str, path: str
):
    """Both find it free; the one who comes second waits for the other, and is told."""
    shop = shop_on_postgres
    where, table = TABLES[way]
    engine = create_engine(address(shop.urls[where]))
    body = json.dumps({"code": f"{method}-{way}", "name": "Twin"}).encode()

    def ask() -> Answered:
        return shop.arms.ask(way, method, f"{URL}{path}", body, {**JSON, **shop.people["staff"]})

    taking = text(f"INSERT INTO {table} (code, name, rank) VALUES (:code, 'First', 1)")  # noqa: S608 - one of ours
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            connection.execute(taking, {"code": f"{method}-{way}"})
            asked = pool.submit(ask)
            until_one_waits(engine)
        answer = asked.result(10)
    engine.dispose()
    assert answer.error == (400, "InvalidRequest")
    problems = answer.json()["detail"]["problems"]
    assert problems == [{"path": "$.code", "message": "warehouse with this code already exists."}]


def until_one_waits(engine: Engine) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    limit = time.monotonic() + 10
    with engine.connect() as connection:
        while not connection.scalar(waiting):
            assert time.monotonic() < limit
            time.sleep(0.02)
