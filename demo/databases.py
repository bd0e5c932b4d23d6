"""The databases of the film: files of SQLite, or a PostgreSQL of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from demo.servers import Postgres

SERVICES = ("catalog", "inventory", "notifications")
"""Those that have tables."""
NAMES = ("monolith", *SERVICES)


class Databases:
    """Where each database is, for those who use it and for the mover."""

    def __init__(self, urls: dict[str, str], mover: dict[str, str]) -> None:
        self._urls = urls
        self._mover = mover

    def env(self) -> dict[str, str]:
        """What every process of the shop reads of it."""
        found = {
            "DATABASE_URL": self._urls["monolith"],
            "STRANGLER_MOVER_DATABASE": self._mover["monolith"],
        }
        for name in SERVICES:
            found[f"{name.upper()}_DATABASE_URL"] = self._urls[name]
            found[f"STRANGLER_{name.upper()}_DATABASE"] = self._mover[name]
        return found

    def has(self, name: str, table: str) -> bool:
        """Whether one of them has a table; who needs it may not have made it yet."""
        kept = (
            f"sqlite_master WHERE name = '{table}'"
            if self._urls[name].startswith("sqlite:")
            else f"pg_tables WHERE tablename = '{table}'"
        )
        return bool(self.rows(name, f"SELECT 1 FROM {kept}"))  # noqa: S608 - our own names

    def rows(self, name: str, query: str) -> Sequence[Sequence[Any]]:
        """Ask one of them, past everybody's code."""
        url = self._mover[name]  # it may see what the relay has made, too
        if url.startswith("sqlite:"):
            file = url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as books:
                return books.execute(query).fetchall()
        with psycopg.connect(url) as connection:
            return connection.execute(query.encode()).fetchall()


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[Databases]:
    """All databases, empty; a server that was started for them is stopped afterwards.

    Raises:
        ServerMissingError, ServerFailedError: PostgreSQL is not to be had.
    """
    if kind == "sqlite":
        files = {name: f"sqlite:///{folder / name}.sqlite3" for name in NAMES}
        yield Databases(files, files)
        return
    with Postgres() as server:
        yield _on(server)


def _on(server: Postgres) -> Databases:
    """A database for each, owned by the shop; the mover logs in as itself, and is no superuser."""
    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute("CREATE ROLE shop LOGIN")
        admin.execute("CREATE ROLE mover LOGIN IN ROLE shop")
        for name in NAMES:
            admin.execute(sql.SQL("CREATE DATABASE {} OWNER shop").format(sql.Identifier(name)))
    address = f"127.0.0.1:{server.port}"
    return Databases(
        {name: f"postgresql://shop@{address}/{name}" for name in NAMES},
        {name: f"postgresql://mover@{address}/{name}" for name in NAMES},
    )
