"""SQLite files with tables of a test's own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from strangler.ladder import Arm
from strangler.transfer.mapping import Key
from strangler.transfer.sqlite import SqliteDatabase, SqliteSession

M, S = Arm.MONOLITH, Arm.SERVICE


class File:
    """A database, an application's connection to it, and the mover's session."""

    def __init__(self, path: Path, schema: str, tables: Sequence[str], arm: Arm) -> None:
        self.path = path
        self.app = sqlite3.connect(path, isolation_level=None)
        self.app.execute("PRAGMA foreign_keys = ON")
        self.app.executescript(schema)
        self.database = SqliteDatabase(str(path), capability="catalog", arm=arm, tables=tables)
        self.session: SqliteSession = self.database.session()

    def install(self) -> None:
        self.session.install(owner=M, epoch=1)
        with self.session.step(token=0, epoch=1) as step:
            step.capture(on=True, patience=1)

    def dirty(self) -> set[Key]:
        """The keys that are dirty, whatever their table; forgotten by that."""
        with self.session.claim(1000) as claim:
            return {entry.key for entry in claim.entries}

    def close(self) -> None:
        self.session.close()
        self.app.close()


@contextmanager
def opened(path: Path, schema: str, *tables: str, arm: Arm = M) -> Iterator[File]:
    with closing(File(path, schema, tables, arm)) as made:
        yield made


Open = Callable[..., File]
