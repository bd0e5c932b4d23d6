"""One side of a capability in a SQLite file. One writer at a time, whoever that is.

Limits: a process that is stopped inside a transaction keeps the whole file from being written, as
SQLite has it; a table of the database in memory can't be transferred. WAL is turned on.
"""

from __future__ import annotations

from collections.abc import Sequence

from strangler.ladder import Arm
from strangler.transfer.database import Database
from strangler.transfer.sqlite.door import SqliteDoor
from strangler.transfer.sqlite.link import Link, file_of
from strangler.transfer.sqlite.session import SqliteSession
from strangler.transfer.sqlite.stamping import stamp

__all__ = ["SqliteDatabase", "SqliteDoor", "SqliteSession", "stamp"]


class SqliteDatabase(Database):
    """A SQLite file that holds one side of a capability."""

    def __init__(
        self, path_or_url: str, *, capability: str, arm: Arm, tables: Sequence[str]
    ) -> None:
        """Nothing is opened yet.

        Raises:
            ValueError: it is no file.
        """
        self.path = file_of(path_or_url)
        self.capability = capability
        self.arm = arm
        self.tables = tuple(tables)

    def session(self) -> SqliteSession:
        """A connection of its own.

        Raises:
            DatabaseAway: it can't be reached.
        """
        return SqliteSession(
            Link(self.path), capability=self.capability, arm=self.arm, tables=self.tables
        )
