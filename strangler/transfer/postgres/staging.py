"""Many rows at once: copied straight into a table, or beside it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import sql

from strangler.transfer.postgres.link import Link
from strangler.transfer.postgres.schema import Described


def copy(
    link: Link, table: sql.Identifier, columns: Iterable[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """COPY rows into a table."""
    query = sql.SQL("COPY {} ({}) FROM STDIN").format(
        table, sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with link.connection.cursor() as cursor, cursor.copy(query) as put:
        for row in rows:
            put.write_row(row)


def stage_for(link: Link, known: Described, columns: tuple[str, ...]) -> sql.Identifier:
    """An empty temporary table for these columns, until the transaction ends."""
    shape = repr([(name, known.table.columns[name].type) for name in columns])
    stage = sql.Identifier(f"strangler_stage_{zlib.crc32((known.table.name + shape).encode()):08x}")
    link.connection.execute("SET LOCAL client_min_messages = warning")
    link.connection.execute(
        sql.SQL(
            "CREATE TEMPORARY TABLE IF NOT EXISTS {} ON COMMIT DELETE ROWS"
            " AS SELECT {} FROM {} WITH NO DATA"
        ).format(stage, sql.SQL(", ").join(map(sql.Identifier, columns)), known.name)
    )
    return stage


@contextmanager
def staged(
    link: Link, known: Described, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]
) -> Iterator[sql.Identifier]:
    """Rows in a temporary table, for the block."""
    stage = stage_for(link, known, columns)
    copy(link, stage, columns, rows)
    yield stage
    link.connection.execute(sql.SQL("DELETE FROM {}").format(stage))
