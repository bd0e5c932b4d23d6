"""The mover's side of the door: closing it, opening it, and evicting who can't any more."""

from __future__ import annotations

import time

import psycopg

from strangler.transfer.errors import LockTimeout
from strangler.transfer.postgres.link import Connection, Link, door_number

# An advisory lock of one bigint, as pg_locks has it.
_ON_DOOR = """
 FROM pg_locks l
 LEFT JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'advisory' AND l.objsubid = 1
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND (l.classid::bigint << 32 | l.objid::bigint) = %s
"""
_INSIDE = (
    "SELECT coalesce(nullif(a.application_name, ''), '?'), l.pid" + _ON_DOOR + " AND l.granted"
    " AND l.pid <> pg_backend_pid() ORDER BY l.pid LIMIT 20"
)
_CLOSERS = (
    "SELECT l.pid, pg_terminate_backend(l.pid)" + _ON_DOOR + " AND l.mode = 'ExclusiveLock'"
    " AND l.pid <> pg_backend_pid()"
)
_STILL = "SELECT l.pid" + _ON_DOOR + " AND l.mode = 'ExclusiveLock' AND l.pid <> pg_backend_pid()"
WAITING = "SELECT count(*)" + _ON_DOOR + " AND l.mode = 'ShareLock' AND NOT l.granted"
_EVICTION = 5.0


def patient(connection: Connection, seconds: float) -> None:
    """Wait for locks so long, from now on."""
    milliseconds = max(1, round(seconds * 1000))
    connection.execute("SELECT set_config('lock_timeout', %s, false)", [f"{milliseconds}ms"])


def close(link: Link, *, patience: float) -> None:
    """Take the door's lock for ourselves; who is inside holds it shared.

    Raises:
        LockTimeout: somebody has not left.
    """
    number = door_number(link.capability, link.arm)
    patient(link.connection, patience)
    try:
        link.connection.execute("SELECT pg_advisory_lock(%s)", [number])
    except psycopg.errors.LockNotAvailable:
        inside = [f"{name} (pid {pid})" for name, pid in link.connection.execute(_INSIDE, [number])]
        raise LockTimeout(
            f"the door of {link.capability} could not be closed within {patience:g} s;"
            f" inside: {', '.join(inside) or 'nobody any more'}"
        ) from None
    finally:
        if not link.connection.closed:
            patient(link.connection, 30.0)


def open_again(link: Link) -> None:
    """Give the lock back; nothing, where we don't hold it."""
    number = door_number(link.capability, link.arm)
    row = link.connection.execute(
        "SELECT 1" + _ON_DOOR + " AND l.mode = 'ExclusiveLock' AND l.pid = pg_backend_pid()",
        [number],
    ).fetchone()
    if row is not None:
        link.connection.execute("SELECT pg_advisory_unlock(%s)", [number])


def evict(link: Link) -> None:
    """End the sessions of whoever else has closed the door, or waits to; see that they are gone.

    Raises:
        LockTimeout: one is still there.
    """
    number = door_number(link.capability, link.arm)
    link.connection.execute(_CLOSERS, [number])
    end = time.monotonic() + _EVICTION
    while pids := [row[0] for row in link.connection.execute(_STILL, [number])]:
        if time.monotonic() > end:
            said = ", ".join(map(str, pids))
            raise LockTimeout(f"the door of {link.capability} is held by pid {said} still")
        time.sleep(0.01)
