"""Rows go up to the service and down to the monolith again, and nothing about them changes."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select

from extracted.catalog.models import Base
from extracted.catalog.transfer import tables
from strangler.django.transfer.testing import model_tables
from strangler.sqlalchemy.database import Database
from strangler.sqlalchemy.testing import metadata_tables
from strangler.transfer.mapping import TableMap, Unmappable
from strangler.transfer.testing import check_maps
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


@pytest.mark.hypothesis
def test_nothing_is_lost_on_the_way():
    check_maps(
        tables,
        monolith=model_tables("catalog"),
        service=metadata_tables(Base.metadata),
        born={
            CATEGORY.source: born_categories(),
            PRODUCT.source: born_products(),
            VERSION.source: born_versions(),
        },
    )


@given(born_products())
def test_a_price_that_is_born_in_the_service_fits_into_the_monolith(rows: dict[str, Any]):
    """Its column is DECIMAL(14, 4)."""
    assert Decimal(0) < PRODUCT.back(rows)["amount"] < Decimal(10**10)


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


def test_the_mapping_needs_no_framework():
    code = """
import sys
for name in ("alembic", "django", "fastapi", "pydantic", "sqlalchemy", "starlette"):
    sys.modules[name] = None
import extracted.catalog.transfer
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
