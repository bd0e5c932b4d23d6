"""The service's database, migrated, of either kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from extracted.catalog.migrating import SCHEMA
from extracted.catalog.service import CatalogService
from strangler.sqlalchemy.database import Database


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'catalog.sqlite3'}"


@pytest.fixture
def empty(url: str) -> Iterator[Database]:
    """Not migrated yet."""
    database = Database(url)
    yield database
    database.close()


@pytest.fixture
def database(empty: Database) -> Database:
    SCHEMA.migrate(empty)
    return empty


@pytest.fixture
def catalog(database: Database) -> CatalogService:
    return CatalogService(database)
