"""The service's own database, and its transactions: whoever stands at the rim opens one.

What runs inside gets the session, and never commits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from strangler.ports.errors import Busy

PATIENCE = 5
"""Seconds to wait for a free connection, or for another writer of SQLite."""
_BEGIN = "begin"


class NoDatabase(ValueError):
    """``CATALOG_DATABASE_URL`` names no database; it is not repeated, as it may hold a secret."""

    def __init__(self) -> None:
        super().__init__(
            "CATALOG_DATABASE_URL names no database that can be used here: write "
            "postgresql://user:password@host:5432/name or sqlite:///path/to/file"
        )


class Away(Busy):
    """The database can't be reached, so nothing has been done."""


def address(url: str) -> URL:
    """A database's URL as SQLAlchemy wants it.

    Raises:
        NoDatabase: it is none, or of a kind that this service does not know.
    """
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        raise NoDatabase from None
    if found.drivername in {"postgres", "postgresql", "postgresql+psycopg"} and found.database:
        return found.set(drivername="postgresql+psycopg")
    if found.drivername == "sqlite" and found.database not in {None, "", ":memory:"}:
        return found
    raise NoDatabase


class Database:
    """One database. Shared between threads; connections are made when they are needed."""

    def __init__(self, url: str, *, connections: int = 20) -> None:
        """``connections`` is how many there are at most.

        Raises:
            NoDatabase: see ``address``.
        """
        parsed = address(url)
        sqlite = parsed.get_backend_name() == "sqlite"
        if sqlite:
            Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
        self.engine: Engine = create_engine(
            parsed,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=PATIENCE,
            pool_pre_ping=True,
            connect_args={"timeout" if sqlite else "connect_timeout": PATIENCE},
            # Text is stored as it is, so that either side of a transfer reads the same.
            json_serializer=_json,
        )
        if sqlite:
            event.listen(self.engine, "connect", _prepare)
            event.listen(self.engine, "begin", _begin)
        self._reading = self.engine.execution_options(postgresql_readonly=True)
        self._writing = self.engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction that may write: committed at the end, undone by whatever is raised.

        Raises:
            Away: the database can't be reached.
        """
        with _connected(self._writing) as connection, connection.begin(), _session(connection) as s:
            yield s
            s.flush()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One transaction that only reads, and is undone in the end.

        Raises:
            Away: the database can't be reached.
        """
        with _connected(self._reading) as connection, _session(connection) as session:
            yield session

    def close(self) -> None:
        """Give up the connections that nobody uses."""
        self.engine.dispose()


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    try:
        connection = engine.connect()
    except (OperationalError, PoolTimeout) as error:
        raise Away(f"the database can't be reached: {error}") from error
    with connection:
        yield connection


def _session(connection: Connection) -> Session:
    return Session(connection, expire_on_commit=False, join_transaction_mode="rollback_only")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # or Python's driver would begin when it thinks fit
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))
