"""Queues in a SQLite file."""

# ruff: noqa: S608 - names are the kit's, and values are bound

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from strangler.events.buses import BadBus, BusAway, BusError
from strangler.events.buses.database import schema
from strangler.events.buses.database.queue import Queue, Slot, Waiting
from strangler.events.buses.database.schema import QUEUE

PATIENCE = 5.0
"""Seconds to wait for whoever is writing."""
_BOUND = 500


class SqliteQueue(Queue):
    """One connection to a file, which has to be there."""

    clock = "((julianday('now') - 2440587.5) * 86400.0)"
    type = schema.TYPE["sqlite"]

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def rows(self, sql: str, given: Sequence[Any] = ()) -> list[Any]:
        """Run one statement, and give its rows."""
        with self._said():
            try:
                return self._connected().execute(sql, given).fetchall()
            except sqlite3.OperationalError as error:
                if not self._made(error):
                    raise
                return self._connected().execute(sql, given).fetchall()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction that nobody else writes beside."""
        self.some("")  # tables are made outside of it
        with self._said():
            self._connected().execute("BEGIN IMMEDIATE")
        try:
            yield
            with self._said():
                self._connected().execute("COMMIT")
        except BaseException:
            if self._connection is not None:
                with suppress(sqlite3.Error):  # it may be undone already
                    self._connection.rollback()
            raise

    def put(self, rows: Sequence[tuple[str, str, int, str]]) -> None:
        """Insert these in one transaction."""
        sql = f"INSERT INTO {QUEUE} (consumer, topic, partition, envelope) VALUES (?, ?, ?, ?)"
        with self.writing(), self._said():
            self._connected().executemany(sql, rows)

    def read(
        self, consumer: str, slots: Sequence[Slot], limit: int, *, but: Collection[str] = ()
    ) -> list[Waiting]:
        """The oldest rows of these, slot by slot."""
        marks = ", ".join("?" * len(but))
        wanted = f"AND coalesce({self.type}, '') NOT IN ({marks}) " if but else ""
        sql = (
            f"SELECT position, envelope FROM {QUEUE} WHERE consumer = ? AND topic = ? "
            f"AND partition = ? {wanted}ORDER BY position LIMIT ?"
        )
        found: list[Waiting] = []
        for slot in slots:
            if (left := limit - len(found)) <= 0:
                break
            found.extend(
                Waiting(position, slot, text)
                for position, text in self.rows(sql, (consumer, *slot, *but, left))
            )
        return found

    def delete(self, positions: Sequence[int]) -> None:
        """Take these out, in one transaction."""
        with self.writing():
            for first in range(0, len(positions), _BOUND):
                some = positions[first : first + _BOUND]
                marks = ", ".join("?" * len(some))
                self.rows(f"DELETE FROM {QUEUE} WHERE position IN ({marks})", some)

    def close(self) -> None:
        """Hang up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(
                f"file:{quote(str(self._path))}?mode=rw",
                uri=True,
                timeout=PATIENCE,
                isolation_level=None,
                check_same_thread=False,
            )
            # After a power cut the file is as it was some moments ago, outbox and queues alike.
            connection.execute("PRAGMA synchronous = NORMAL")
            self._connection = connection
        return self._connection

    def _made(self, error: sqlite3.OperationalError) -> bool:
        """Have the missing tables been made?"""
        if not str(error).startswith("no such table: strangler_queue"):
            return False
        connection = self._connected()
        if connection.in_transaction:
            return False
        connection.execute("BEGIN IMMEDIATE")
        try:
            schema.create(connection.execute, vendor="sqlite")
            connection.execute("COMMIT")
        except sqlite3.Error:
            connection.rollback()
            raise
        return True

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> BusError:
        name = str(getattr(error, "sqlite_errorname", ""))
        said = f"{self._path}: {error}"
        if not name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            self.close()
        if name == "SQLITE_NOTADB":
            return BadBus(f"{said}; name the file of the database that speaks")
        if name.startswith(("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
            return BadBus(f"{said}; let the relay's user write this file and its folder")
        return BusAway(said)
