"""The mover sees in the service's tables what the service has written there."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from contracts.money import Money
from extracted.catalog.models import Base
from extracted.catalog.service import CatalogService
from extracted.catalog.transfer import tables
from strangler.ladder import Arm
from strangler.sqlalchemy.database import Database as Own
from strangler.transfer.database import Session
from strangler.transfer.postgres import PostgresDatabase
from strangler.transfer.sqlite import SqliteDatabase
from strangler.transfer.tables import ColumnKind

TABLES = tuple(one for one in Base.metadata.tables if not one.startswith("strangler_"))


@pytest.fixture
def session(url: str, database: Own) -> Iterator[Session]:
    kind = SqliteDatabase if url.startswith("sqlite") else PostgresDatabase
    found = kind(url, capability="catalog", arm=Arm.SERVICE, tables=TABLES).session()
    yield found
    found.close()


def test_the_tables_can_be_transferred(session: Session):
    looked = {name: session.inspect(name) for name in TABLES}
    kinds = {
        column.name: column.kind for table in looked.values() for column in table.columns.values()
    }
    assert kinds["ten_thousandths"] is ColumnKind.INTEGER
    assert kinds["attributes"] is ColumnKind.JSON
    assert kinds["withdrawn"] is ColumnKind.BOOLEAN
    assert kinds["added_at"] is kinds["changed_at"] is ColumnKind.MOMENT
    assert ColumnKind.OTHER not in kinds.values()
    assert looked["category"].columns["id"].sequence
    keys = [key for table in looked.values() for key in table.foreign_keys]
    assert len(keys) == 3
    assert all(key.deferrable and not key.acts for key in keys)


def test_what_the_service_writes_goes_down_and_up_again(session: Session, catalog: CatalogService):
    catalog.create_category(path="garden", name="Garden")
    catalog.create(
        sku="HOE-1",
        name="Räke",
        category="garden",
        price=Money(Decimal("9999999999.9999"), "UYW"),
        attributes={"z": "é", "a": "1", "bb": "2"},
        active=False,
    )
    found = {}
    for one in tables:
        for target in one.targets:
            table = session.inspect(target.table)
            ((_, row),) = session.chunk(table, list(target.columns), None, 10)
            found[target.table] = row
        assert one.up(one.back(found)) == {name: found[name] for name in one.up(one.back(found))}
    product = tables[1].back(found)
    assert (product["amount"], product["active"]) == (Decimal("9999999999.9999"), False)
    assert product["created_at"].utcoffset().total_seconds() == 0
    assert product["search"] == "hoe-1\nrake\n"
    assert product["attributes"] == catalog.product("HOE-1").attributes
