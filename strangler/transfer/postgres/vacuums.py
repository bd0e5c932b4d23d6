"""What would make a fence wait, and keeping autovacuum out of its way."""

from __future__ import annotations

from psycopg import sql

from strangler.transfer.postgres.link import Link
from strangler.transfer.postgres.locks import alter, holders

_LONG = 1.0
"""A transaction that has held a table for so many seconds is likely to do so when we come."""
_PATIENCE = 10.0


def hinders(link: Link) -> list[str]:
    """Vacuums of the tables, and transactions that hold one and idle, or are long, in words."""
    return holders(link.connection, link.tables, longer=_LONG, idle=True)


def quieten(link: Link, *, on: bool) -> None:
    """Keep autovacuum off the tables, or let it in again, as each of them had it."""
    how = "SET (autovacuum_enabled = false)" if on else "RESET (autovacuum_enabled)"
    with link.connection.transaction():
        tables = link.tables if on else _quiet(link)
        statements = [
            sql.SQL("ALTER TABLE {} {}").format(sql.Identifier(table), sql.SQL(how))
            for table in tables
        ]
        if not statements:
            return
        alter(
            link.connection,
            statements,
            tables=tables,
            patience=_PATIENCE,
            what="keeping autovacuum off" if on else "letting autovacuum in",
        )


def _quiet(link: Link) -> list[str]:
    """The tables that somebody has kept autovacuum off: we, or a mover that has died since."""
    return [
        table
        for (table,) in link.connection.execute(
            "SELECT relname FROM pg_class WHERE relname = ANY(%s)"
            " AND relnamespace = current_schema()::regnamespace"
            " AND 'autovacuum_enabled=false' = ANY(reloptions) ORDER BY relname",
            [list(link.tables)],
        )
    ]
