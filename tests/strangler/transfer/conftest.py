"""Both kinds of database, for tests that both have to pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Postgres
from tests.strangler.transfer.sides import PostgresSide, Side, SqliteSide


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def side(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Side]:
    """A database with the sample tables, of either kind."""
    if request.param == "sqlite":
        made: Side = SqliteSide(tmp_path / "side.sqlite3")
        yield made
        made.close()
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.create()
    made = PostgresSide(url)
    yield made
    made.close()
    server.drop(url)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[SqliteSide]:
    """Another database, a SQLite file."""
    made = SqliteSide(tmp_path / "service.sqlite3")
    yield made
    made.close()
