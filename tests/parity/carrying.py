"""Carries the catalog's rows from the monolith's database to the service's, by its own mapping."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    MetaData,
    String,
    Table,
    create_engine,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

from extracted.catalog.models import Base, Moment
from extracted.catalog.transfer import tables
from strangler.sqlalchemy.database import Database, address


class Amount(TypeDecorator[Decimal]):
    """A decimal of four places; SQLite keeps it as a floating point number."""

    impl = String
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Any) -> Decimal:
        return Decimal(str(value)).quantize(Decimal("0.0001"))


TYPES: dict[str, Any] = {
    "active": Boolean,
    "amount": Amount,
    "attributes": JSON().with_variant(JSONB(), "postgresql"),
    "created_at": Moment,
    "updated_at": Moment,
}
SHOP = MetaData()
COLUMNS = {
    "catalog_category": "id parent_id slug name path",
    "catalog_product": "sku name description category_id attributes amount currency active "
    "created_at updated_at search",
    "catalog_productversion": "aggregate version",
}
for _table, _names in COLUMNS.items():
    Table(_table, SHOP, *(Column(name, TYPES.get(name, String)) for name in _names.split()))


def carry(monolith: str, service: Database) -> int:
    """Fill the service's empty database; returns how many rows of the monolith there were."""
    engine = create_engine(address(monolith))
    carried = 0
    try:
        with engine.connect() as source, service.transaction() as session:
            for one in tables:
                for row in source_rows(source, SHOP.tables[one.source]):
                    carried += 1
                    for table, made in one.up(row).items():
                        session.execute(insert(Base.metadata.tables[table]).values(**made))
            if session.get_bind().dialect.name == "postgresql":
                session.connection().exec_driver_sql(
                    "SELECT setval(pg_get_serial_sequence('category', 'id'), max(id)) FROM category"
                )
    finally:
        engine.dispose()
    return carried


def source_rows(source: Connection, table: Table) -> Iterator[dict[str, Any]]:
    for row in source.execute(select(table)):
        found = dict(row._mapping)
        for name in ("id", "parent_id", "category_id", "version"):
            if found.get(name) is not None:
                found[name] = int(found[name])
        yield found
