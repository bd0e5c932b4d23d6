"""How an application's own connection says in the journal who writes."""

from __future__ import annotations

import sqlite3

# A temporary table hides one of the same name: the control plane has a ``strangler_writer``.
_MAKE = (
    "CREATE TEMP TABLE strangler_writing AS SELECT '' AS name, 0 AS door",
    """CREATE TEMP TRIGGER strangler_stamp AFTER INSERT ON main.strangler_journal BEGIN
        UPDATE strangler_journal SET writer = (SELECT name FROM strangler_writing),
            door = (SELECT door FROM strangler_writing) WHERE id = NEW.id;
    END""",
)
# An UPDATE at the beginning would open a transaction, where Python's sqlite3 is left to do so.
_STAMP = (
    "WITH said (name, door) AS (SELECT ?, ?) "
    "UPDATE strangler_writing SET (name, door) = (SELECT name, door FROM said)"
)


def stamp(connection: sqlite3.Connection, *, writer: str, door: bool) -> None:
    """Let the journal name ``writer`` for what this connection writes from now on.

    Of this connection only. What a transaction undoes includes what was said in it: whoever goes
    on after that says it again. Does nothing where no journal is, nor on a connection that only
    reads.

    Args:
        connection: an application's.
        writer: who; "" for nobody any more.
        door: whether it came through the door.
    """
    try:
        if _is_made(connection) or ((writer or door) and _make(connection)):
            connection.execute(_STAMP, (writer, int(door)))
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_READONLY:
            raise


def _is_made(connection: sqlite3.Connection) -> bool:
    found = connection.execute(
        "SELECT count(*) FROM temp.sqlite_master "
        "WHERE name IN ('strangler_writing', 'strangler_stamp')"
    )
    return bool(found.fetchone()[0] == len(_MAKE))


def _make(connection: sqlite3.Connection) -> bool:
    if not _journal_is_there(connection):
        return False
    for kind, name in (("TRIGGER", "strangler_stamp"), ("TABLE", "strangler_writing")):
        connection.execute(f"DROP {kind} IF EXISTS temp.{name}")
    for statement in _MAKE:
        connection.execute(statement)
    return True


def _journal_is_there(connection: sqlite3.Connection) -> bool:
    found = connection.execute("SELECT 1 FROM main.sqlite_master WHERE name = 'strangler_journal'")
    return found.fetchone() is not None
