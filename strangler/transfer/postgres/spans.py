"""What a backfill calls dirty: not row by row, but all of a table between two keys.

A span means every row that is there when it is carried. Whatever is written in it meanwhile is
captured like anywhere else, and a row that goes is a dirty key of its own. As soon as some of its
rows can't be carried together with the others, a span is spread into keys.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import sql

from strangler.transfer.database import Entry
from strangler.transfer.mapping import Key
from strangler.transfer.postgres.link import Link
from strangler.transfer.postgres.rows import after_key, key_texts

WRITER = "mover"
"""Who is said to have written what a backfill calls dirty."""

_CLAIM = """
DELETE FROM strangler_span s
 WHERE s.capability = %(capability)s AND s.id = (
   SELECT id FROM strangler_span WHERE capability = %(capability)s
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING s.id, s.tbl, s.after, s.until, s.rows, extract(epoch FROM s.at)::float8
"""


@dataclass(frozen=True, slots=True)
class Span:
    """The rows of a table after one key, up to and with another."""

    id: int
    table: str
    after: Key | None
    until: Key
    rows: int
    """How many there were when it was called dirty."""
    at: datetime


def enqueue(link: Link, table: str, after: Key | None, limit: int) -> Key | None:
    """Call the next ``limit`` rows dirty, as one span; the last of their keys, None for no row."""
    known = link.known(table)
    order = sql.SQL(", ").join(known.ordered("t"))
    where, parameters = after_key(known, "t", after, None)
    key = sql.SQL(", ").join(sql.Identifier("t", name) for name in known.table.key)
    row = link.connection.execute(
        sql.SQL(
            "SELECT {text}, count(*) OVER (), {picked} FROM"
            " (SELECT {key}, row_number() OVER (ORDER BY {order}) AS strangler_place"
            " FROM {table} t {where} ORDER BY {order} LIMIT %s) t"
            " ORDER BY strangler_place DESC LIMIT 1"
        ).format(
            text=known.key_text("t"),
            picked=known.selected("t", known.table.key),
            key=key,
            table=known.name,
            where=where,
            order=order,
        ),
        [*parameters, limit],
    ).fetchone()
    if row is None:
        return None
    text, rows, *last = row
    before = None if after is None else next(iter(key_texts(link, table, [after])))
    link.connection.execute(
        "INSERT INTO strangler_span (capability, tbl, after, until, rows)"
        " VALUES (%s, %s, %s, %s, %s)",
        [link.capability, table, before, text, rows],
    )
    return tuple(last)


def claim(link: Link) -> Span | None:
    """The oldest that nobody else has claimed, until the transaction ends."""
    row = link.connection.execute(_CLAIM, {"capability": link.capability}).fetchone()
    return None if row is None else _span(link, row)


def _span(link: Link, row: tuple[Any, ...]) -> Span:
    number, table, after, until, rows, at = row
    key_of = link.known(table).key_of
    return Span(
        number,
        table,
        None if after is None else key_of(after),
        key_of(until),
        rows,
        datetime.fromtimestamp(at, UTC),
    )


def rows(link: Link) -> int:
    """How many rows wait as spans."""
    row = link.connection.execute(
        "SELECT coalesce(sum(rows), 0) FROM strangler_span WHERE capability = %s",
        [link.capability],
    ).fetchone()
    return int(row[0]) if row else 0


def entries(link: Link, span: Span) -> list[Entry]:
    """Its rows as they are now, as dirty keys."""
    known = link.known(span.table)
    where, parameters = after_key(known, "t", span.after, span.until)
    found = link.connection.execute(
        sql.SQL("SELECT {} FROM {} t {} ORDER BY {}").format(
            known.selected("t", known.table.key),
            known.name,
            where,
            sql.SQL(", ").join(known.ordered("t")),
        ),
        parameters,
    )
    return [Entry(span.id, span.table, tuple(key), span.at, WRITER, door=True) for key in found]


def covered(link: Link, table: str, keys: Collection[Key]) -> set[Key]:
    """Which of these keys lie in a span, whether there is such a row or not."""
    known = link.known(table)
    found: set[Key] = set()
    for span in _all(link, table):
        source, given = known.keys(list(keys))
        where, parameters = after_key(known, "k", span.after, span.until)
        found |= {
            tuple(key)
            for key in link.connection.execute(
                sql.SQL("SELECT {} FROM {} {}").format(
                    known.selected("k", known.table.key), source, where
                ),
                [*given, *parameters],
            )
        }
    return found


def spread(link: Link, table: str) -> None:
    """Call the rows of its spans dirty one by one; what somebody has claimed is left to them."""
    known = link.known(table)
    for span in _all(link, table, locked=True):
        where, parameters = after_key(known, "t", span.after, span.until)
        link.connection.execute(
            sql.SQL(
                "INSERT INTO strangler_journal (capability, tbl, key, writer, door, at)"
                " SELECT %s, %s, {}, %s, true, %s FROM {} t {}"
            ).format(known.key_text("t"), known.name, where),
            [link.capability, table, WRITER, span.at, *parameters],
        )
        link.connection.execute("DELETE FROM strangler_span WHERE id = %s", [span.id])


def _all(link: Link, table: str, *, locked: bool = False) -> list[Span]:
    query = sql.SQL(
        "SELECT id, tbl, after, until, rows, extract(epoch FROM at)::float8 FROM strangler_span"
        " WHERE capability = %s AND tbl = %s ORDER BY id {}"
    ).format(sql.SQL("FOR UPDATE SKIP LOCKED" if locked else ""))
    found = link.connection.execute(query, [link.capability, table]).fetchall()
    return [_span(link, row) for row in found]
