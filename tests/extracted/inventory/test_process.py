"""The inventory service as a process of its own, on a database of its own."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from contracts.inventory import Item
from extracted.inventory.migrating import SCHEMA
from extracted.inventory.models import Base, Reason, Reservation, Stock, Warehouse
from extracted.inventory.moments import now
from extracted.inventory.service import InventoryService
from extracted.inventory.stocking import adjust
from strangler.ladder import Arm
from strangler.ports.context import Context, User
from strangler.ports.trust.keys import generate
from strangler.sqlalchemy.database import Database
from strangler.transfer.connect import database as transferred
from strangler.transfer.database import Session
from tests.extracted.inventory.books import imbalances
from tests.servers import Postgres
from tests.strangler.fastapi.running import JSON, ROOT, Answered, Party, Service, ask, started

MODULE = "extracted.inventory"
STAFF = Context(user=User("7", ("customer", "staff")), hops=1)
MOVE = {"sku": "A", "warehouse": "near", "delta": 1, "reason": "received"}


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    keys = tmp_path_factory.mktemp("inventory") / "keys"
    for party in ("monolith", "inventory", "ordering", "pricing"):
        generate(keys, party)
    return {
        "STRANGLER_MANIFEST": str(ROOT / "router" / "capabilities.toml"),
        "STRANGLER_KEYS": str(keys),
        "STRANGLER_TABLE": "",
    }


def stocked(database: Database) -> None:
    SCHEMA.migrate(database)
    with database.transaction() as session:
        warehouse = Warehouse(code="near", name="Near", rank=1)
        session.add(warehouse)
        session.flush()
        adjust(session, sku="A", warehouse=warehouse, delta=9, reason=Reason.RECEIVED)


class Running:
    """The service, with nine of A, a database to look into, and callers."""

    def __init__(self, service: Service, database: Database, keys: Path) -> None:
        self.service = service
        self.database = database
        self.edge = Party(keys, "monolith", to="inventory", url=service.url)
        self.ordering = Party(keys, "ordering", to="inventory", url=service.url)
        self.pricing = Party(keys, "pricing", to="inventory", url=service.url)

    def reserve(self, order: UUID, quantity: int = 2) -> Answered:
        items = [{"sku": "A", "quantity": quantity}]
        arguments = {"order": str(order), "items": items}
        return self.ordering.call("reserve", arguments, command=True)

    def post(self, context: Context = STAFF) -> Answered:
        body = json.dumps(MOVE).encode()
        return self.edge.ask(
            "POST", "/api/inventory/movements", body, context=context, command=True
        )

    def on_hand(self) -> int:
        with self.database.reading() as session:
            return session.scalars(select(Stock.on_hand)).one()


@pytest.fixture(scope="module")
def running(
    surroundings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    url = f"sqlite:///{tmp_path_factory.mktemp('inventory') / 'own.sqlite3'}"
    env = {**surroundings, "INVENTORY_DATABASE_URL": url, "INVENTORY_EXPIRY": "0.1"}
    with Database(url) as database:
        stocked(database)
        with Service(MODULE, env) as service:
            yield Running(service, database, Path(surroundings["STRANGLER_KEYS"]))


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_ordering_may_reserve_and_pricing_may_not(running: Running):
    order = uuid4()
    answer = running.reserve(order)
    assert (answer.status, answer.json()["state"]) == (200, "held")
    assert running.reserve(order).json() == answer.json()
    refused = running.pricing.call("availability", {"skus": ["A"]})
    assert refused.refused == (403, "CallerRefused")


def test_it_ends_holds_by_itself(running: Running):
    order = uuid4()
    running.reserve(order)
    with running.database.transaction() as session:
        held = update(Reservation).where(Reservation.order_id == order)
        session.execute(held.values(expires_at=now() - timedelta(seconds=1)))

    until(lambda: state(running.database, order) == "expired")
    assert imbalances(running.database) == []


def state(database: Database, order: UUID) -> str | None:
    with database.reading() as session:
        return session.scalar(select(Reservation.state).filter_by(order_id=order))


def test_who_moves_goods_is_written_down(running: Running):
    before = running.on_hand()
    answer = running.post()
    assert (answer.status, answer.json()["actor"]) == (201, "7")
    assert running.on_hand() == before + 1


@pytest.mark.parametrize(
    ("context", "refused"),
    [
        (Context(hops=1), (401, "NotAuthenticated")),
        (Context(user=User("8", ("customer",)), hops=1), (403, "PermissionDenied")),
        (STAFF.replace(shadow=True), (403, "ShadowRefused")),
    ],
)
def test_whoever_may_not_changes_nothing(
    running: Running, context: Context, refused: tuple[int, str]
):
    before = running.on_hand()
    assert running.post(context).error == refused
    past_the_edge = ask(running.service.url, "POST", "/api/inventory/movements", b"{}", JSON)
    assert past_the_edge.refused == (401, "NotThroughTheEdge")
    assert running.on_hand() == before


def test_links_begin_as_the_clients_address_does(running: Running):
    headers = {"Host": "shop.example:8443", "X-Forwarded-Proto": "https"}
    path = "/api/inventory/movements?page_size=1"
    running.post()
    answer = running.edge.ask("GET", path, context=STAFF, headers=headers)
    assert answer.json()["next"] == (
        "https://shop.example:8443/api/inventory/movements?page=2&page_size=1"
    )


def test_it_is_ready_once_its_database_is_up_to_date(surroundings: dict[str, str], tmp_path: Path):
    env = {**surroundings, "INVENTORY_DATABASE_URL": f"sqlite:///{tmp_path / 'own.sqlite3'}"}
    with Service(MODULE, env) as service:
        answer = service.get("/readyz")
        assert answer.status == 503
        assert "at nothing, not at 0001" in answer.json()["missing"]["database"]
        done = started(MODULE, "migrate", **env)
        assert done.returncode == 0, done.stderr
        assert service.get("/readyz").json()["status"] == "ready"
        service.signal(signal.SIGTERM)
        assert service.gone() == 0


@pytest.mark.postgres
def test_without_its_database_it_says_that_nothing_has_been_done(
    surroundings: dict[str, str], postgres: Postgres
):
    url = postgres.create()
    env = {**surroundings, "INVENTORY_DATABASE_URL": url}
    with Database(url) as database:
        stocked(database)
        with Service(MODULE, env) as service:
            running = Running(service, database, Path(surroundings["STRANGLER_KEYS"]))
            assert running.post().status == 201
            database.close()
            postgres.drop(url)
            assert "database" in service.get("/readyz").json()["missing"]
            # Whoever asks a second later, when the door is looked at again, is stopped there.
            assert running.post().refused in ((503, "Unavailable"), (503, "DoorShut"))
            asked = running.ordering.call("availability", {"skus": ["A"]})
            assert asked.refused == (503, "Busy")
            assert service.get("/healthz").status == 200


def test_while_the_monolith_owns_the_rows_it_only_reads(
    surroundings: dict[str, str], tmp_path: Path
):
    """And if the door lets somebody in by mistake, the fence does not."""
    url = f"sqlite:///{tmp_path / 'own.sqlite3'}"
    env = {**surroundings, "INVENTORY_DATABASE_URL": url, "INVENTORY_EXPIRY": "0.1"}
    with Database(url) as database:
        stocked(database)
        order = uuid4()
        InventoryService(database).reserve(order, [Item("A", 2)])
        with database.transaction() as session:
            session.execute(update(Reservation).values(expires_at=now() - timedelta(seconds=1)))
        with mover(url) as session, Service(MODULE, env) as service:
            running = Running(service, database, Path(surroundings["STRANGLER_KEYS"]))
            owned(session, by=Arm.MONOLITH, fenced=True)
            for answer in (running.post(), running.reserve(uuid4())):
                assert answer.refused == (421, "NotOwner")
                assert answer.headers["x-strangler-owner"] == "monolith"
            available = running.ordering.call("availability", {"skus": ["A"]})
            assert available.json() == [{"sku": "A", "available": 9}]
            time.sleep(0.5)  # several looks of the timer
            assert [one["event"] for one in service.said() if one["level"] != "info"] == []

            owned(session, by=Arm.SERVICE, fenced=True)
            for answer in (running.post(), running.reserve(uuid4())):
                assert answer.refused == (421, "NotOwner")
            assert "has met the fence" in str(service.said())

            owned(session, by=Arm.SERVICE, fenced=False)
            assert running.post().status == 201
            until(lambda: state(database, order) == "expired")


@contextmanager
def mover(url: str) -> Iterator[Session]:
    """What the mover has of this side."""
    tables = list(Base.metadata.tables)
    session = transferred(url, capability="inventory", arm=Arm.SERVICE, tables=tables).session()
    session.install(owner=Arm.MONOLITH, epoch=1)
    session.seize(1)
    yield session
    session.close()


def owned(session: Session, *, by: Arm, fenced: bool) -> None:
    before = session.owner()
    assert before is not None
    with session.step(token=1, epoch=before.epoch) as step:
        step.record(owner=by, epoch=before.epoch + 1, frozen=False)
        step.fence(up=fenced, patience=2)


@pytest.mark.parametrize("arguments", [(), ("migrate",)])
def test_a_url_that_names_no_database_stops_it(
    surroundings: dict[str, str], arguments: tuple[str, ...]
):
    env = {**surroundings, "INVENTORY_DATABASE_URL": "mysql://me:secret@host/x"}
    done = started(MODULE, *arguments, **env)
    assert (done.returncode, done.stdout) == (1, "")
    assert "INVENTORY_DATABASE_URL names no database that can be used here" in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_migration_of_a_database_that_is_away_says_so(surroundings: dict[str, str]):
    env = {**surroundings, "INVENTORY_DATABASE_URL": "postgresql://me@127.0.0.1:1/x"}
    done = started(MODULE, "migrate", **env)
    assert done.returncode == 1
    assert "the database does not answer" in done.stderr
    assert "Traceback" not in done.stderr
