"""A migrated database of each kind, two warehouses in it, and what lies there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from extracted.inventory.migrating import SCHEMA
from extracted.inventory.models import Base, Reason, Reservation, Warehouse
from extracted.inventory.moments import now
from extracted.inventory.service import InventoryService
from extracted.inventory.stocking import adjust
from strangler.sqlalchemy.database import Database
from tests.extracted.tables import emptied

KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(scope="module", params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty database of either kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('inventory') / 'inventory.sqlite3'}"
        return
    postgres = request.getfixturevalue("postgres")
    created = postgres.create()
    yield created
    postgres.drop(created)


@pytest.fixture(scope="module")
def migrated(url: str) -> Iterator[Database]:
    with Database(url) as database:
        SCHEMA.migrate(database)
        yield database


@pytest.fixture
def database(migrated: Database) -> Database:
    """No rows are in it yet."""
    return emptied(migrated, Base.metadata)


@pytest.fixture
def inventory(database: Database) -> InventoryService:
    return InventoryService(database)


@pytest.fixture
def warehouses(database: Database) -> dict[str, int]:
    """``near`` is asked before ``far``."""
    with database.transaction() as session:
        rows = [
            Warehouse(code="far", name="Far", rank=20),
            Warehouse(code="near", name="Near", rank=10),
        ]
        session.add_all(rows)
        session.flush()
        return {row.code: row.id for row in rows}


@pytest.fixture
def stock(database: Database, warehouses: dict[str, int]) -> Callable[..., None]:
    """``stock("A", near=3, far=5)``"""

    def put(sku: str, **quantities: int) -> None:
        with database.transaction() as session:
            for code, delta in quantities.items():
                warehouse = session.scalars(select(Warehouse).filter_by(code=code)).one()
                adjust(session, sku=sku, warehouse=warehouse, delta=delta, reason=Reason.RECEIVED)

    return put


@pytest.fixture
def lapse(database: Database) -> Callable[[UUID], None]:
    """Let the time of an order's hold run out."""

    def lapse(order: UUID) -> None:
        with database.transaction() as session:
            past = now() - timedelta(seconds=1)
            held = update(Reservation).where(Reservation.order_id == order)
            session.execute(held.values(expires_at=past))

    return lapse
