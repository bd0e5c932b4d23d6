"""An outbox in a SQLite file."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from strangler.events.buses.database.schema import QUEUE, TYPE
from strangler.events.outbox import OUTBOX
from strangler.events.stores import StoreAway, Unprepared, moments, sql
from strangler.events.stores.base import SqlStore

BUSY_SECONDS = 5.0
"""How long to wait for whoever is writing: SQLite has one writer at a time."""
_URL = re.compile(r"sqlite(\+\w+)?:///(?P<path>[^?]*)(\?.*)?")


class SqliteStore(SqlStore):
    """One connection to a file. Inside its transactions, the file's only writer."""

    _ID = "id"
    _AT = '"at"'
    _PAYLOAD = "CAST(payload AS BLOB)"
    _QUEUES = f"SELECT 1 FROM sqlite_master WHERE name = '{QUEUE}'"  # noqa: S608 - ours
    _TYPE = TYPE["sqlite"]
    _LAST = f"coalesce((SELECT seq FROM sqlite_sequence WHERE name = '{OUTBOX}'), 0)"  # noqa: S608 - ours

    def __init__(self, url: str) -> None:
        """Open the file, which has to be there.

        Raises:
            StoreAway: it is not, or can't be opened.
            Unprepared: the URL names no file.
        """
        found = _URL.fullmatch(url)
        if found is None or not found["path"] or ":memory:" in found["path"]:
            raise Unprepared(f"{url!r} has to be a file that two processes can open")
        path = Path(found["path"]).resolve()
        with _spoken():
            self._connection = sqlite3.connect(
                f"file:{quote(str(path))}?mode=rw",
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute("SELECT 1 FROM sqlite_master")

    def close(self) -> None:
        """Hang up; leases run out."""
        self._connection.close()

    def _run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with _spoken():
            return self._connection.execute(statement, values).fetchall()

    def _changed(self, statement: str, values: Sequence[Any] = ()) -> int:
        with _spoken():
            return self._connection.execute(statement, values).rowcount

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._run("BEGIN IMMEDIATE")
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # it may be closed, or undone already
                self._connection.rollback()
            raise

    def _held(self) -> list[tuple[Any, ...]]:
        return self._run(sql.HELD)

    def _now(self) -> datetime:
        return datetime.now(UTC)

    def _among(self, column: str, values: Collection[int]) -> tuple[str, list[Any]]:
        return f"{column} IN ({', '.join('?' * len(values))})", list(values)

    def _moment(self, at: datetime) -> str:
        return moments.written(at)

    def _read_moment(self, at: Any) -> datetime:
        return moments.read(at)

    def _when(self, at: str) -> str:
        return f"{at[:10]}T{at[11:]}Z"

    def _id(self, event: UUID) -> str:
        return event.hex

    def _read_id(self, event: str) -> str:
        return f"{event[:8]}-{event[8:12]}-{event[12:16]}-{event[16:20]}-{event[20:]}"


@contextmanager
def _spoken() -> Iterator[None]:
    """Errors of sqlite3 leave the block as the seam's."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_ERROR":  # no such table, or column
            raise Unprepared(f"{error}: bring the database's schema up to date") from error
        raise StoreAway(str(error)) from error
