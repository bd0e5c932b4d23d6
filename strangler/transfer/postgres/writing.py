"""Writing rows on the target: in a transaction that has locked the owner row, and then the keys."""

# ruff: noqa: D102 -- the seam says what each method does
from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg import sql

from strangler.transfer.database import Change, Writer
from strangler.transfer.errors import Unwritable
from strangler.transfer.mapping import Key
from strangler.transfer.postgres import kinds, references
from strangler.transfer.postgres.errors import spoken
from strangler.transfer.postgres.link import Link, keys_number, rehearsal_number
from strangler.transfer.postgres.schema import Described
from strangler.transfer.postgres.staging import copy, staged
from strangler.transfer.postgres.steps import locked_owner
from strangler.transfer.postgres.triggers import MARK

BUCKETS = 256
"""Keys share so many locks: a server has room for thousands, not for millions."""
_FEW = 50
"""Up to so many rows go as one plain statement; more are copied."""


@contextmanager
def applying(
    link: Link, *, token: int, epoch: int, keys: Iterable[tuple[str, Key]] | None
) -> Iterator[PostgresWriter]:
    """A transaction on the target, in which these keys are ours alone; None for all there are."""
    with spoken(), link.connection.transaction():
        link.connection.execute("SELECT set_config(%s, %s, true)", [MARK, link.capability])
        _let_rehearse(link)
        locked_owner(link, token=token, epoch=epoch, share=True)
        buckets = list(range(BUCKETS))
        if keys is not None:
            buckets = sorted({_bucket(table, key) for table, key in keys})
        link.connection.execute(
            "SELECT pg_advisory_xact_lock(%s, bucket) FROM unnest(%s::int[]) AS b(bucket)",
            [keys_number(link.capability, link.arm), buckets],
        )
        link.connection.execute("SET CONSTRAINTS ALL DEFERRED")
        yield PostgresWriter(link)
        row = link.connection.execute(_APPLIED, [link.capability]).fetchone()
    link.applied = int(row[0]) if row else 0


def _let_rehearse(link: Link) -> None:
    """Wait for a rehearsal that is under way, but not for long: it is a courtesy."""
    number = [rehearsal_number(link.capability)]
    row = link.connection.execute("SELECT pg_try_advisory_xact_lock_shared(%s)", number).fetchone()
    if row is None or row[0]:
        return
    with suppress(psycopg.errors.LockNotAvailable), link.connection.transaction():
        link.connection.execute(_COURTESY)
        link.connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", number)
        link.connection.execute(_PATIENCE)


_COURTESY = "SET LOCAL lock_timeout = '500ms'"
_PATIENCE = "SET LOCAL lock_timeout = '30s'"
_APPLIED = """
INSERT INTO strangler_applied AS a (capability, number) VALUES (%s, 1)
ON CONFLICT (capability) DO UPDATE SET number = a.number + 1 RETURNING number
"""


def _bucket(table: str, key: Key) -> int:
    return zlib.crc32("\x1f".join([table, *map(str, key)]).encode()) % BUCKETS


class PostgresWriter(Writer):
    """Such a transaction. A change that is refused is undone, and the transaction goes on."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._connection = link.connection

    def write(self, table: str, change: Change) -> None:
        try:
            self._write(table, change)
        except (TypeError, ValueError, OverflowError) as error:
            # What psycopg or JSON can't write down at all: a set, half of a surrogate pair.
            raise Unwritable(f"{table}: {error}", table) from error

    def _write(self, table: str, change: Change) -> None:
        known = self._link.known(table)
        with spoken(), self._connection.transaction():
            self._delete(known, change.gone)
            if not change.rows:
                return
            change = _prepared(known, change)
            try:
                with self._connection.transaction():
                    self._upsert(known, change)
            except psycopg.errors.UniqueViolation:
                references.replace(self._link, change, table)
                self._upsert(known, change)

    def referring(self, table: str, keys: Collection[Key]) -> dict[str, set[Key]]:
        with spoken():
            return references.referring(self._link, table, keys)

    def taken(self, table: str, change: Change) -> set[Key]:
        with spoken():
            return references.taken(self._link, table, change)

    def _delete(self, known: Described, keys: list[Key]) -> None:
        if keys:
            source, parameters = known.keys(keys)
            self._connection.execute(
                sql.SQL("DELETE FROM {} t USING {} WHERE {}").format(
                    known.name, source, known.same_key("t", "k")
                ),
                parameters,
            )

    def _upsert(self, known: Described, change: Change) -> None:
        if len(change.rows) <= _FEW:
            self._plain(known, change)
            return
        places = [change.columns.index(name) for name in known.table.key]
        keys = [tuple(row[place] for place in places) for row in change.rows]
        source, parameters = known.keys(keys)
        there = {
            row[0]
            for row in self._connection.execute(
                sql.SQL("SELECT k.strangler_place FROM {} JOIN {} t ON {}").format(
                    source, known.name, known.same_key("t", "k")
                ),
                parameters,
            )
        }
        old = [row for place, row in enumerate(change.rows, 1) if place in there]
        new = [row for place, row in enumerate(change.rows, 1) if place not in there]
        if old:
            self._update(known, change, old)
        if new:
            born = tuple(change.born.values())
            copy(
                self._link,
                known.name,
                (*change.columns, *change.born),
                ((*row, *born) for row in new) if born else new,
            )

    def _plain(self, known: Described, change: Change) -> None:
        columns = (*change.columns, *change.born)
        born = tuple(change.born.values())
        one = sql.SQL("({})").format(
            sql.SQL(", ").join(sql.SQL("%s{}").format(known.cast(name)) for name in columns)
        )
        self._connection.execute(
            sql.SQL(
                "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES {} ON CONFLICT ({}) DO {}"
            ).format(
                known.name,
                sql.SQL(", ").join(map(sql.Identifier, columns)),
                sql.SQL(", ").join([one] * len(change.rows)),
                sql.SQL(", ").join(map(sql.Identifier, known.table.key)),
                known.overwriting(change.columns),
            ),
            [value for row in change.rows for value in (*row, *born)],
        )

    def _update(self, known: Described, change: Change, rows: list[tuple[object, ...]]) -> None:
        updated = [name for name in change.columns if name not in known.table.key]
        if not updated:
            return
        with staged(self._link, known, change.columns, rows) as stage:
            self._connection.execute(
                sql.SQL("UPDATE {} t SET {} FROM {} s WHERE {}").format(
                    known.name,
                    sql.SQL(", ").join(
                        sql.SQL("{0} = s.{0}").format(sql.Identifier(name)) for name in updated
                    ),
                    stage,
                    known.same_key("t", "s"),
                )
            )


def _prepared(known: Described, change: Change) -> Change:
    """The same change, its values as psycopg wants them."""
    writers = [kinds.writer_of(known.table.columns[name].kind) for name in change.columns]
    born = {
        name: (kinds.writer_of(known.table.columns[name].kind) or (lambda value: value))(value)
        for name, value in change.born.items()
        if name not in change.columns
    }
    rows = change.rows
    if any(writers):
        rows = [
            tuple(
                value if writer is None else writer(value)
                for writer, value in zip(writers, row, strict=True)
            )
            for row in rows
        ]
    return Change(change.columns, rows, change.gone, born)
