"""A rehearsal in a SQLite file, on the connection of a service's own.

The file's capture triggers note the keys, in the journal, where they are gone after the rollback.
"""

# ruff: noqa: D102 -- the seam says what each method does
from __future__ import annotations

import sqlite3

from strangler.ladder import Arm
from strangler.transfer.mapping import Key, Row
from strangler.transfer.rehearsing import (
    LOST,
    NOT_FENCED,
    NOT_INSTALLED,
    Doomed,
    Keys,
    Unrehearsable,
)
from strangler.transfer.sqlite import journal, rows
from strangler.transfer.sqlite.link import Link
from strangler.transfer.sqlite.tables import Tables
from strangler.transfer.tables import Table

_THERE = "SELECT 1 FROM sqlite_master WHERE name = 'strangler_rehearsal'"
_FENCED = "SELECT fenced FROM strangler_owner WHERE capability = ?"
_DOOM = "INSERT INTO strangler_rehearsal (capability, nowhere) VALUES (?, 0)"
_DOOMED = "SELECT 1 FROM strangler_rehearsal WHERE capability = ?"
_NUMBER = "SELECT number FROM strangler_applied WHERE capability = ?"
_KEYS = "SELECT DISTINCT tbl, key FROM strangler_journal WHERE capability = ? AND id > ?"


class SqliteDoomed(Doomed):
    """Such a connection, the file's only writer meanwhile."""

    def __init__(self, connection: sqlite3.Connection, capability: str) -> None:
        self._capability = capability
        self._connection = connection
        self._link = Link.over(connection)
        self._tables = Tables(self._link, capability, Arm.SERVICE, ())
        self._position = 0

    def doom(self) -> int:
        if self._link.one(_THERE) is None:
            raise Unrehearsable(NOT_INSTALLED.format(self._capability))
        fenced = self._link.one(_FENCED, (self._capability,))
        if fenced is None or not fenced[0]:
            raise Unrehearsable(NOT_FENCED.format(self._capability))
        self._position = journal.position(self._link)
        self._link.run(_DOOM, (self._capability,))
        self._link.run("SAVEPOINT strangler_rehearsal")
        return self.number()

    def written(self) -> Keys:
        if self._link.one(_DOOMED, (self._capability,)) is None:
            raise Unrehearsable(LOST.format(self._capability))
        found: dict[str, set[Key]] = {}
        for table, key in self._link.rows(_KEYS, (self._capability, self._position)):
            found.setdefault(table, set()).add(self._tables.key_of(table, key))
        return found

    def undo(self) -> None:
        self._link.run("ROLLBACK TO strangler_rehearsal")

    def rows(self, keys: Keys) -> dict[str, dict[Key, Row]]:
        found = {}
        for table, some in keys.items():
            described = self._tables.get(table)
            columns = tuple(described.table.columns)
            found[table] = rows.read(self._link, self._tables, described, columns, some)
        return found

    def number(self) -> int:
        found = self._link.one(_NUMBER, (self._capability,))
        return int(found[0]) if found else 0

    def abandon(self) -> None:
        self._connection.interrupt()
        self._connection.rollback()

    def moment(self) -> str:
        return ""

    def table(self, name: str) -> Table:
        return self._tables.get(name).table
