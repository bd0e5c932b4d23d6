"""Both kinds of database, for tests that both have to pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.servers import Postgres
from tests.strangler.transfer.sides import PostgresSide, Side, SqliteSide

_OTHERS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_SCHEMAS = """
SELECT oid::regnamespace::text FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
"""
_PUBLIC = """
CREATE SCHEMA public AUTHORIZATION pg_database_owner;
GRANT USAGE ON SCHEMA public TO PUBLIC
"""


@pytest.fixture(scope="session")
def lasting(postgres: Postgres) -> Iterator[str]:
    """A PostgreSQL database for all tests that ask for ``emptied``."""
    url = postgres.create()
    yield url
    postgres.drop(url)


@pytest.fixture
def emptied(lasting: str) -> Iterator[str]:
    """A PostgreSQL database in which nothing is; to make a new one takes ten times as long.

    Not for tests that grant something on the database itself.
    """
    yield lasting
    with psycopg.connect(lasting, autocommit=True) as connection:
        connection.execute(_OTHERS)
        for (schema,) in connection.execute(_SCHEMAS).fetchall():
            connection.execute(f"DROP SCHEMA {schema} CASCADE")  # quoted by the server
        connection.execute(_PUBLIC)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def side(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Side]:
    """A database with the sample tables, of either kind."""
    if request.param == "sqlite":
        made: Side = SqliteSide(tmp_path / "side.sqlite3")
        yield made
        made.close()
        return
    made = PostgresSide(request.getfixturevalue("emptied"))
    yield made
    made.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[SqliteSide]:
    """Another database, a SQLite file."""
    made = SqliteSide(tmp_path / "service.sqlite3")
    yield made
    made.close()
