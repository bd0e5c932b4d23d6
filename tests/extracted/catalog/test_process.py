"""The catalog service as a process of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from strangler.ports.context import Context, User
from strangler.ports.trust.keys import generate
from strangler.sqlalchemy.database import Database
from tests.strangler.fastapi.running import ROOT, Party, Service, ask, started

MODULE = "extracted.catalog"
PRODUCTS = "/api/catalog/products/"
STAFF = Context(user=User("7", ("staff",)), hops=1)


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    for party in ("monolith", "catalog", "pricing", "inventory"):
        generate(tmp_path / "keys", party)
    return {
        "STRANGLER_MANIFEST": str(ROOT / "router" / "capabilities.toml"),
        "STRANGLER_KEYS": str(tmp_path / "keys"),
        "STRANGLER_TABLE": "",
        "CATALOG_DATABASE_URL": f"sqlite:///{tmp_path / 'deep' / 'catalog.sqlite3'}",
    }


@pytest.fixture
def service(surroundings: dict[str, str]) -> Iterator[Service]:
    with Service(MODULE, surroundings) as running:
        yield running


def test_it_is_ready_once_its_database_is_migrated(
    service: Service, surroundings: dict[str, str], tmp_path: Path
):
    answer = service.get("/readyz")
    assert answer.status == 503
    assert "python -m extracted.catalog migrate" in answer.json()["missing"]["database"]
    done = started(MODULE, "migrate", **surroundings)
    assert done.returncode == 0, done.stderr
    assert service.get("/readyz").json()["status"] == "ready"

    edge = Party(tmp_path / "keys", "monolith", to="catalog", url=service.url)
    garden = json.dumps({"path": "garden", "name": "Garden"}).encode()
    path = "/api/catalog/categories/"
    assert edge.ask("POST", path, garden, command=True).error == (401, "NotAuthenticated")
    assert edge.ask("POST", path, garden, command=True, context=STAFF).status == 201
    assert edge.ask("GET", path).json() == [{**json.loads(garden), "children": []}]
    assert ask(service.url, "GET", path).refused == (401, "NotThroughTheEdge")

    pricing = Party(tmp_path / "keys", "pricing", to="catalog", url=service.url)
    assert pricing.call("products", {"skus": ["HOE-1"]}).json() == []
    inventory = Party(tmp_path / "keys", "inventory", to="catalog", url=service.url)
    assert inventory.call("products", {"skus": ["HOE-1"]}).refused == (403, "CallerRefused")


def test_without_its_database_it_is_not_ready_and_the_edge_may_fall_back(
    surroundings: dict[str, str], tmp_path: Path
):
    env = {**surroundings, "CATALOG_DATABASE_URL": "postgresql://nobody:secret@127.0.0.1:9/none"}
    with Service(MODULE, env) as service:
        assert service.get("/healthz").status == 200
        assert "does not answer" in service.get("/readyz").json()["missing"]["database"]
        edge = Party(tmp_path / "keys", "monolith", to="catalog", url=service.url)
        answer = edge.ask("GET", PRODUCTS)
        assert answer.error == (503, "Unavailable")
        assert answer.headers["retry-after"] == "1"
        assert "secret" not in (service.folder / "log").read_text()


@pytest.mark.parametrize("command", [(), ("migrate",)])
def test_an_address_that_is_none_stops_it(surroundings: dict[str, str], command: tuple[str, ...]):
    done = started(
        MODULE, *command, **{**surroundings, "CATALOG_DATABASE_URL": "mysql://x:secret@y/z"}
    )
    assert done.returncode == 1
    assert "CATALOG_DATABASE_URL" in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_two_processes_of_it_write_to_one_file(surroundings: dict[str, str], tmp_path: Path):
    """SQLite lets one write at a time; the other one waits, and neither fails."""
    assert started(MODULE, "migrate", **surroundings).returncode == 0
    keys = tmp_path / "keys"
    with Service(MODULE, surroundings) as one, Service(MODULE, surroundings) as other:

        def write(name: str) -> int:
            service = one if name < "d" else other
            edge = Party(keys, "monolith", to="catalog", url=service.url)
            body = json.dumps({"path": name, "name": "X"}).encode()
            path = "/api/catalog/categories/"
            return edge.ask("POST", path, body, command=True, context=STAFF).status

        names = [f"{letter}{number}" for number in range(5) for letter in "abcdef"]
        with ThreadPoolExecutor(6) as pool:
            assert set(pool.map(write, names)) == {201}
    database = Database(surroundings["CATALOG_DATABASE_URL"])
    with database.reading() as session:
        assert session.connection().exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        found = session.connection().exec_driver_sql("SELECT count(*) FROM category")
        assert found.scalar() == 30
    database.close()
