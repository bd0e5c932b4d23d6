"""A database or a door by its URL; the driver is imported where one of its kind is named."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from strangler.ladder import Arm
from strangler.transfer.database import Database
from strangler.transfer.door import Door
from strangler.transfer.errors import Unfit
from strangler.transfer.rehearsing import Doomed


def database(url: str, *, capability: str, arm: Arm, tables: Sequence[str]) -> Database:
    """One side of a capability; nothing is connected yet.

    Raises:
        Unfit: the URL names neither PostgreSQL nor a file of SQLite.
    """
    if _is_postgres(url):
        from strangler.transfer.postgres import PostgresDatabase  # noqa: PLC0415 - see above

        return PostgresDatabase(url, capability=capability, arm=arm, tables=tables)
    from strangler.transfer.sqlite import SqliteDatabase  # noqa: PLC0415 - see above

    try:
        return SqliteDatabase(url, capability=capability, arm=arm, tables=tables)
    except ValueError as error:
        raise Unfit([str(error)]) from error


def door(url: str, *, capability: str, arm: Arm, waiting: int | None = None) -> Door:
    """The door of one side of a capability; ``waiting``: how many may wait for it at once.

    Raises:
        Unfit: the URL names neither PostgreSQL nor SQLite.
    """
    if _is_postgres(url):
        from strangler.transfer.postgres import PostgresDoor  # noqa: PLC0415 - see above

        return PostgresDoor(url, capability=capability, arm=arm, waiting=waiting)
    from strangler.transfer.sqlite import SqliteDoor  # noqa: PLC0415 - see above

    return SqliteDoor(url, capability=capability, arm=arm, waiting=waiting)


def doomed(connection: Any, *, capability: str) -> Doomed:
    """A rehearsal's side of a service's own connection, by its driver."""
    if isinstance(connection, sqlite3.Connection):
        from strangler.transfer.sqlite.rehearsing import SqliteDoomed  # noqa: PLC0415 - see above

        return SqliteDoomed(connection, capability)
    from strangler.transfer.postgres.rehearsing import PostgresDoomed  # noqa: PLC0415 - see above

    return PostgresDoomed(connection, capability)


def _is_postgres(url: str) -> bool:
    """PostgreSQL, or else SQLite; SQLAlchemy's way to name a driver is understood."""
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme in {"postgresql", "postgres"}:
        return True
    if scheme != "sqlite":
        raise Unfit(
            [f"a database begins with postgresql:// or sqlite:///, and this one with {scheme!r}"]
        )
    return False
