"""Writing rows to a SQLite file as the mover."""

# ruff: noqa: S608 - names are quoted, and values are bound

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence

from strangler.transfer.database import Change, Writer
from strangler.transfer.errors import UniqueTaken
from strangler.transfer.mapping import Key
from strangler.transfer.sqlite import rows
from strangler.transfer.sqlite.link import Link
from strangler.transfer.sqlite.schema import Described, quoted
from strangler.transfer.sqlite.tables import Tables
from strangler.transfer.sqlite.values import given, stored
from strangler.transfer.tables import ColumnKind

_RANDOM = random.SystemRandom()


class SqliteWriter(Writer):
    """Inside a transaction that its session has begun."""

    def __init__(self, link: Link, tables: Tables) -> None:
        self._link = link
        self._tables = tables

    def write(self, table: str, change: Change) -> None:
        """Delete, insert and update.

        Raises:
            UniqueTaken: a unique value is held by a row that is not among these.
            Unwritable: a row is refused for what it is.
        """
        described = self._tables.get(table)
        self._delete(described, change.gone)
        if not change.rows:
            return
        values = self._stored(described, change)
        try:
            with self._link.savepoint():
                self._upsert(described, change, values)
        except UniqueTaken:
            with self._link.savepoint():
                self._step_aside(described, change)
                self._upsert(described, change, values)

    def referring(self, table: str, keys: Collection[Key]) -> dict[str, set[Key]]:
        """The keys of rows which refer to these rows, and their own children's."""
        found: dict[str, set[Key]] = {}
        waiting = [(table, set(keys))]
        while waiting:
            parent, some = waiting.pop()
            for child in self._tables.names:
                known = found.get(child, set())
                if child == table:
                    known = known | set(keys)
                if new := self._children(child, parent, some) - known:
                    found.setdefault(child, set()).update(new)
                    waiting.append((child, new))
        return found

    def taken(self, table: str, change: Change) -> set[Key]:
        """The keys of other rows that hold a unique value of the rows of this change."""
        described = self._tables.get(table)
        ours = {*_keys(described, change), *change.gone}
        columns = (*change.columns, *change.born)
        found: set[Key] = set()
        for index in described.indexes:
            if not set(index.columns) <= set(columns):
                continue
            for row in self._stored(described, change):
                named = ", ".join(f"? AS {quoted(name)}" for name in columns)
                same = " AND ".join(
                    f"{term} = (SELECT {term} FROM (SELECT {named}) AS strangler_new)"
                    for term in index.terms
                )
                values = [*row] * len(index.terms)
                found |= self._keys_where(described, described.table.name, same, values)
        return found - ours

    def _delete(self, described: Described, keys: Sequence[Key]) -> None:
        for condition, values in rows.among(self._tables, described, keys):
            self._link.run(f"DELETE FROM {quoted(described.table.name)} WHERE {condition}", values)

    def _stored(self, described: Described, change: Change) -> list[list[object]]:
        columns = described.table.columns
        arm = self._tables.arm
        writing = [stored(columns[name], arm) for name in change.columns]
        born = [stored(columns[name], arm)(value) for name, value in change.born.items()]
        return [
            [*(write(value) for write, value in zip(writing, row, strict=True)), *born]
            for row in change.rows
        ]

    def _upsert(
        self, described: Described, change: Change, values: Sequence[Sequence[object]]
    ) -> None:
        names = (*change.columns, *change.born)
        key = described.table.key
        updated = [name for name in change.columns if name not in key]
        sets = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in updated)
        self._link.run_many(
            f"INSERT INTO {quoted(described.table.name)} ({_list(names)}) "
            f"VALUES ({', '.join('?' * len(names))}) ON CONFLICT ({_list(key)}) "
            + (f"DO UPDATE SET {sets}" if sets else "DO NOTHING"),
            values,
        )

    def _step_aside(self, described: Described, change: Change) -> None:
        """Take the unique values of the rows that are here from them: each gets its own again.

        Not by DELETE and INSERT: what the change does not name would be lost with the row.
        """
        movable = {
            name
            for index in described.indexes
            for name in index.columns
            if name in change.columns
            and name not in described.table.key
            and not described.table.columns[name].generated
        }
        if not movable:
            return
        sets = ", ".join(f"{quoted(name)} = ?" for name in sorted(movable))
        # Whatever is written here is overwritten before anybody sees it.
        self._link.run("PRAGMA ignore_check_constraints = ON")
        try:
            for key in _keys(described, change):
                for condition, values in rows.among(self._tables, described, [key]):
                    self._link.run(
                        f"UPDATE {quoted(described.table.name)} SET {sets} WHERE {condition}",
                        [*(_nobodys(described, name) for name in sorted(movable)), *values],
                    )
        finally:
            self._link.run("PRAGMA ignore_check_constraints = OFF")

    def _children(self, child: str, parent: str, keys: Collection[Key]) -> set[Key]:
        described, target = self._tables.get(child), self._tables.get(parent)
        found: set[Key] = set()
        for reference in described.table.foreign_keys:
            if reference.table != parent:
                continue
            for condition, values in rows.among(self._tables, target, list(keys)):
                found |= self._keys_where(
                    described,
                    child,
                    f"({_list(reference.columns)}) IN (SELECT {_list(reference.references)} "
                    f"FROM {quoted(parent)} WHERE {condition})",
                    values,
                )
        return found

    def _keys_where(
        self, described: Described, table: str, condition: str, values: Sequence[object]
    ) -> set[Key]:
        key = described.table.key
        reading = [given(described.table.columns[name].kind) for name in key]
        there = self._link.rows(
            f"SELECT {_list(key)} FROM {quoted(table)} WHERE {condition}", values
        )
        return {tuple(read(v) for read, v in zip(reading, row, strict=True)) for row in there}


def _keys(described: Described, change: Change) -> list[Key]:
    places = [change.columns.index(name) for name in described.table.key]
    return [tuple(row[place] for place in places) for row in change.rows]


def _list(names: Iterable[str]) -> str:
    return ", ".join(quoted(name) for name in names)


def _nobodys(described: Described, name: str) -> object:
    """A value that no row has: of its own kind, where the table insists on that."""
    number = -_RANDOM.getrandbits(62)
    match described.table.columns[name].kind:
        case ColumnKind.INTEGER | ColumnKind.BOOLEAN:
            return number
        case ColumnKind.FLOAT | ColumnKind.DECIMAL:
            return float(number)
        case ColumnKind.BYTES:
            return _RANDOM.randbytes(16)
        case ColumnKind.JSON:
            return f'"{number}"'
    return f"strangler {number}"
