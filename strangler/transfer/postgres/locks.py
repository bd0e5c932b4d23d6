"""Waiting for locks within a patience, and saying who holds them."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence

import psycopg
from psycopg import sql

from strangler.transfer.errors import LockTimeout
from strangler.transfer.postgres.link import Connection

_HOLDERS = """
SELECT l.pid, string_agg(DISTINCT c.relname, ', ' ORDER BY c.relname), a.backend_type,
       coalesce(nullif(a.application_name, ''), a.usename, ''), coalesce(a.state, ''),
       extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.state_change)),
       left(regexp_replace(coalesce(a.query, ''), '\\s+', ' ', 'g'), 120)
  FROM pg_locks l
  JOIN pg_class c ON c.oid = l.relation AND c.relnamespace = current_schema()::regnamespace
  JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND c.relname = ANY(%s) AND l.mode <> ALL('{AccessShareLock,RowShareLock}')
 GROUP BY l.pid, a.backend_type, a.application_name, a.usename, a.state, a.xact_start,
          a.state_change, a.query
 ORDER BY a.xact_start
"""


def holders(
    connection: Connection, tables: Sequence[str], *, longer: float = 0.0, idle: bool = False
) -> list[str]:
    """Who holds a lock on these tables that a writer holds, in words.

    ``longer`` leaves out who has held it for fewer seconds, unless it is a vacuum; ``idle`` keeps
    whoever has a transaction open and does nothing in it, however short.
    """
    return [
        _told(row)
        for row in connection.execute(_HOLDERS, [list(tables)])
        if (row[5] or 0) >= longer
        or row[2] == "autovacuum worker"
        or row[6].lower().startswith("vacuum")
        or (idle and row[4].startswith("idle in transaction"))
    ]


def _told(row: tuple[object, ...]) -> str:
    pid, tables, backend, name, state, seconds, query = row
    who = f"{name} (pid {pid})" if backend == "client backend" else f"{backend} (pid {pid})"
    since = f" for {float(str(seconds)):.1f} s" if seconds is not None else ""
    return f"{who} holds {tables}: {state or 'active'}{since}: {query}".rstrip(": ")


def attempts(connection: Connection, patience: float) -> Iterator[float]:
    """How long to wait for a lock each time, until ``patience`` seconds are over.

    Each wait ends before the deadlock detector would wake: it would cancel an autovacuum, and make
    the writers behind us wait for that long. Sets ``lock_timeout`` in the transaction.
    """
    row = connection.execute(
        "SELECT extract(epoch FROM current_setting('deadlock_timeout')::interval)"
    ).fetchone()
    longest = 0.8 * float(row[0]) if row else 0.8
    end = time.monotonic() + patience
    first = True
    while first or time.monotonic() < end:
        if not first:
            time.sleep(random.uniform(0.01, 0.05))  # noqa: S311 -- not to meet the same writer again
        first = False
        wait = max(0.001, min(longest, end - time.monotonic()))
        connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{wait * 1000:.0f}ms"])
        yield wait


def alter(
    connection: Connection,
    statements: Sequence[sql.Composed],
    *,
    tables: Sequence[str],
    patience: float,
    what: str,
) -> None:
    """Run statements that lock tables, all of them or none, in the transaction that is open.

    Raises:
        LockTimeout: somebody has not let go within ``patience`` seconds.
    """
    said = "somebody"
    for _ in attempts(connection, patience):
        try:
            with connection.transaction():
                for statement in statements:
                    connection.execute(statement)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            said = "; ".join(holders(connection, tables)) or said
        else:
            connection.execute("SELECT set_config('lock_timeout', '30s', true)")
            return
    raise LockTimeout(f"{what} could not begin within {patience:g} s: {said}")
