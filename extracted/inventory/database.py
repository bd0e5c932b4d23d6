"""The service's own database, PostgreSQL or an SQLite file, and its transactions.

Whoever stands at the rim opens one; what runs inside is given the session, and never commits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from strangler.ports.errors import Busy

PATIENCE = 5
"""Seconds to wait for a free connection, or for another writer of SQLite."""
_BEGIN = "begin"


class NoDatabase(ValueError):
    """``INVENTORY_DATABASE_URL`` names no database; it is not repeated, as it may hold a secret."""


class Away(Busy):
    """The database does not answer, so nothing has been done."""


def address(url: str) -> URL:
    """A database's URL as SQLAlchemy wants it.

    Raises:
        NoDatabase: it is none, or of a kind that this service does not know.
    """
    wanted = NoDatabase(
        "INVENTORY_DATABASE_URL names no database that can be used here: write "
        "postgresql://user:password@host:5432/name or sqlite:///path/to/file"
    )
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        raise wanted from None
    if found.drivername in {"postgres", "postgresql", "postgresql+psycopg"} and found.database:
        return found.set(drivername="postgresql+psycopg")
    if found.drivername == "sqlite" and found.database not in {None, "", ":memory:"}:
        return found
    raise wanted


class Database:
    """One database. Shared between threads; connections are made when they are needed.

    As a context manager it is closed at the end of the block.
    """

    def __init__(self, url: str, *, connections: int = 20) -> None:
        """``connections`` is how many there are at most.

        Raises:
            NoDatabase: see ``address``.
        """
        parsed = address(url)
        self.sqlite = parsed.drivername == "sqlite"
        if self.sqlite:
            Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
        self.engine: Engine = create_engine(
            parsed,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=PATIENCE,
            pool_pre_ping=True,
            connect_args={"timeout" if self.sqlite else "connect_timeout": PATIENCE},
        )
        if self.sqlite:
            event.listen(self.engine, "connect", _prepare)
            event.listen(self.engine, "begin", _begin)
            writing: dict[str, Any] = {_BEGIN: "BEGIN IMMEDIATE"}
            reading: dict[str, Any] = {}
        else:
            writing = {}
            reading = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._writing = self.engine.execution_options(**writing)
        self._reading = self.engine.execution_options(**reading)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the connections that nobody uses."""
        self.engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction that may write: committed at the end, undone by whatever is raised.

        Raises:
            Away: the database can't be reached, or other writers keep it to themselves.
        """
        with Session(self._writing, expire_on_commit=False) as session, session.begin():
            try:
                session.connection()
            except (OperationalError, PoolTimeout) as error:
                raise _away(error) from error
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One moment of the database, to look at.

        Raises:
            Away: the database can't be reached, or has broken off.
        """
        try:
            with Session(self._reading, expire_on_commit=False) as session, session.begin():
                yield session
        except (OperationalError, PoolTimeout) as error:
            raise _away(error) from error


def _away(error: OperationalError | PoolTimeout) -> Away:
    said = error.orig if isinstance(error, OperationalError) else error
    return Away(f"the database of inventory does not answer: {said}")


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # or Python's driver would begin when it thinks fit
    for pragma in ("foreign_keys = ON", "journal_mode = WAL", "synchronous = NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    """A writer locks as it begins, so that no reader has to become one half way, and fails."""
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))
