"""A connection to a SQLite file, whose errors are the mover's."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from strangler.transfer.errors import (
    DatabaseAway,
    LockTimeout,
    ReferenceMissing,
    TransferError,
    Unfit,
    UniqueTaken,
    Unwritable,
)

BUSY_SECONDS = 5.0
"""How long to wait for whoever is writing: SQLite has one writer at a time."""

_URL = re.compile(r"sqlite(\+\w+)?:///(?P<path>[^?]*)(\?.*)?")
_UNIQUE = {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_ROWID"}


def file_of(path_or_url: str) -> Path:
    """The file that a path or a URL names: ``sqlite:////absolute`` or ``sqlite:///relative``.

    Raises:
        ValueError: it is no file, or lives in memory, where nobody else can reach it.
    """
    if not path_or_url.startswith("sqlite"):
        name = path_or_url
    elif (url := _URL.fullmatch(path_or_url)) is not None:
        name = url["path"]
    else:
        name = "" if ":" in path_or_url else path_or_url
    if not name or ":memory:" in name or name.startswith("file:"):
        raise ValueError(f"{path_or_url!r}: it has to be a file that two processes can open")
    return Path(name).resolve()  # as the door's files stand beside it, whatever it is called


class Link:
    """One connection, in autocommit mode between its transactions."""

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        """Open the file, which has to be there.

        Args:
            path: where it is.
            shared: let threads use it, one after the other.

        Raises:
            DatabaseAway: it is not there, or no database.
        """
        self.path = path
        with self._said():
            self._connection = sqlite3.connect(
                f"file:{quote(str(path))}?mode=rw",
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=not shared,
            )
        try:
            self.run("PRAGMA foreign_keys = ON")
            self.run("PRAGMA synchronous = NORMAL")
            self.run("SELECT 1 FROM sqlite_master")
        except TransferError:
            self._connection.close()
            raise

    @classmethod
    def over(cls, connection: sqlite3.Connection) -> Self:
        """A connection of somebody else's, who closes it."""
        link = cls.__new__(cls)
        link.path = Path("the database")
        link._connection = connection  # noqa: SLF001 - of our own kind
        return link

    def close(self) -> None:
        """Undo what is open, and hang up."""
        self._connection.close()

    def run(self, sql: str, given: Sequence[object] = ()) -> int:
        """Execute one statement, and say how many rows it changed."""
        with self._said():
            return self._connection.execute(sql, given).rowcount

    def run_many(self, sql: str, given: Sequence[Sequence[object]]) -> None:
        """Execute one statement for each."""
        with self._said():
            self._connection.executemany(sql, given)

    def rows(self, sql: str, given: Sequence[object] = ()) -> list[Any]:
        """What a query gives; nothing stays open."""
        with self._said():
            return self._connection.execute(sql, given).fetchall()

    def one(self, sql: str, given: Sequence[object] = ()) -> Any:
        """The first row, or None."""
        found = self.rows(sql, given)
        return found[0] if found else None

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[None]:
        """A transaction that nobody else writes beside; undone by an exception.

        Args:
            durable: it is on the disk before anything that comes later, whatever cuts the power.
                Everybody else who writes waits for the disk meanwhile: so not for what may be done
                again.
        """
        if durable:
            self.run("PRAGMA synchronous = FULL")
            try:
                with self.writing(durable=False):
                    yield
            finally:
                with suppress(sqlite3.Error):
                    self._connection.execute("PRAGMA synchronous = NORMAL")
            return
        self.run("BEGIN IMMEDIATE")
        try:
            yield
            if self._connection.in_transaction:
                self.run("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # it may be closed, or undone already
                self._connection.rollback()
            raise

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part of a transaction, undone alone by an exception."""
        self.run("SAVEPOINT strangler")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):  # some errors end the whole transaction
                self._connection.execute("ROLLBACK TO strangler")
                self._connection.execute("RELEASE strangler")
            raise
        self.run("RELEASE strangler")

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as error:
            raise _refused(error) from error
        except (OverflowError, UnicodeError, sqlite3.InterfaceError) as error:
            raise Unwritable(str(error)) from error
        except sqlite3.ProgrammingError as error:  # it has been closed
            raise DatabaseAway(f"{self.path}: {error}") from error
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> TransferError:
        name = _name(error)
        said = f"{self.path}: {error}"
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return LockTimeout(
                f"{self.path}: somebody has been writing for more than {BUSY_SECONDS:g} s"
            )
        if name.startswith(("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
            return Unfit([f"{said}; let the mover's user write this file and its folder"])
        if name == "SQLITE_ERROR":  # no such table, no such column: the schema is another
            return Unfit([said])
        if name in {"SQLITE_MISMATCH", "SQLITE_TOOBIG"}:
            return Unwritable(str(error))
        return DatabaseAway(said)


def _name(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", ""))


def _refused(error: sqlite3.IntegrityError) -> Unwritable:
    said, name = str(error), _name(error)
    _, _, place = said.partition(" constraint failed: ")
    table = place.partition(".")[0] if "." in place else ""
    if name in _UNIQUE:
        return UniqueTaken(said, table)
    # A RESTRICT reaches us as a trigger's doing.
    if name == "SQLITE_CONSTRAINT_FOREIGNKEY" or said == "FOREIGN KEY constraint failed":
        return ReferenceMissing(said, table)
    return Unwritable(said, table)
