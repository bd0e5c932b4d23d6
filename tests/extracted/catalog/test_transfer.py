"""Rows go up to the service and down to the monolith again, and nothing about them changes."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select

from extracted.catalog.models import Base
from extracted.catalog.transfer import tables
from strangler.sqlalchemy.database import Database
from strangler.transfer.mapping import TableMap, Unmappable, by_table, key_map
from tests.extracted.catalog.rows import (
    born_categories,
    born_products,
    born_versions,
    categories,
    products,
    versions,
)
from tests.strangler.fastapi.running import ROOT

CATEGORY, PRODUCT, VERSION = tables
ROWS = (
    st.tuples(st.just(CATEGORY), categories())
    | st.tuples(st.just(PRODUCT), products())
    | st.tuples(st.just(VERSION), versions())
)
BORN = (
    st.tuples(st.just(CATEGORY), born_categories())
    | st.tuples(st.just(PRODUCT), born_products())
    | st.tuples(st.just(VERSION), born_versions())
)
Mapped = tuple[TableMap, dict[str, Any]]


def exactly(row: dict[str, Any]) -> dict[str, Any]:
    """What equality alone would overlook: the types, and the order of JSON's members."""
    return {name: (type(value), repr(value)) for name, value in row.items() if name != "amount"}


@given(ROWS)
def test_what_goes_up_comes_down_the_same(given: Mapped):
    one, row = given
    back = one.back(one.up(row))
    assert back == row
    assert exactly(back) == exactly(row)


@given(BORN)
def test_what_is_born_in_the_service_survives_the_way_back(given: Mapped):
    one, rows = given
    down = one.back(rows)
    up = one.up(down)
    assert up == rows
    assert {table: exactly(row) for table, row in up.items()} == {
        table: exactly(row) for table, row in rows.items()
    }
    # The monolith's column is DECIMAL(14, 4).
    assert "amount" not in down or Decimal(0) < down["amount"] < Decimal(10**10)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(given=ROWS | BORN)
def test_the_tables_hold_what_is_mapped(database: Database, given: Mapped):
    """Each value is read back from either database as it was written."""
    one, row = given
    rows = row if one.targets[0].table in row else one.up(row)
    with database.transaction() as session:
        for table, values in rows.items():
            session.execute(delete(Base.metadata.tables[table]))
            session.execute(insert(Base.metadata.tables[table]).values(**values))
        session.expire_all()
        for table, values in rows.items():
            found = session.execute(select(Base.metadata.tables[table])).one()._asdict()
            assert found == values
        # Foreign keys are checked at the end, and these rows stand alone.
        session.get_transaction().rollback()  # type: ignore[union-attr]  # there is one


def test_a_price_that_is_too_fine_has_no_counterpart():
    row = {"amount": Decimal("1.00001")}
    with pytest.raises(Unmappable, match="more than 4 decimals"):
        PRODUCT.up({**dict.fromkeys(PRODUCT.mapped()), **row})


def test_a_product_without_its_price_has_no_counterpart():
    with pytest.raises(Unmappable, match="price: it has no row"):
        PRODUCT.back({"product": dict.fromkeys(PRODUCT.targets[0].columns)})


@pytest.mark.parametrize("one", tables, ids=lambda one: one.source)
def test_every_column_is_accounted_for_on_both_sides(one: TableMap):
    (model,) = (
        model for model in apps.get_app_config("catalog").get_models()
        if model._meta.db_table == one.source
    )  # fmt: skip
    assert one.mapped() | set(one.kept) == {field.column for field in model._meta.local_fields}
    for target in one.targets:
        table = Base.metadata.tables[target.table]
        assert set(target.columns) == set(table.columns.keys())
        key = [column.name for column in table.primary_key]
        key_map(target, [model._meta.pk.column], key)


def test_every_table_belongs_to_a_map():
    models = apps.get_app_config("catalog").get_models(include_auto_created=True)
    mapped = by_table(tables)
    own = {one for one in Base.metadata.tables if not one.startswith("strangler_")}
    assert mapped.keys() == {*own, *(model._meta.db_table for model in models)}


def test_the_mapping_needs_no_framework():
    code = """
import sys
for name in ("alembic", "django", "fastapi", "pydantic", "sqlalchemy", "starlette"):
    sys.modules[name] = None
import extracted.catalog.transfer
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
