"""Triggers that keep the history append-only, whoever writes: Django, psql or another program.

A test that makes moves outside a transaction (``TransactionTestCase``) empties all tables at its
end: it calls ``remove`` first.
"""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

_SQLITE = [
    f"""
    CREATE TRIGGER IF NOT EXISTS strangler_history_{verb} BEFORE {verb} ON strangler_change
    BEGIN SELECT RAISE(ABORT, 'strangler_change is append-only: record another change'); END
    """
    for verb in ("update", "delete")
]
# TRUNCATE of an empty table is let through: test runners empty every table they know.
_POSTGRESQL = [
    """
    CREATE OR REPLACE FUNCTION strangler_history() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP <> 'TRUNCATE' OR EXISTS (SELECT 1 FROM strangler_change) THEN
            RAISE EXCEPTION 'strangler_change is append-only: record another change'
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NULL;
    END $$
    """,
    "DROP TRIGGER IF EXISTS strangler_history_row ON strangler_change",
    """
    CREATE TRIGGER strangler_history_row BEFORE UPDATE OR DELETE ON strangler_change
    FOR EACH ROW EXECUTE FUNCTION strangler_history()
    """,
    "DROP TRIGGER IF EXISTS strangler_history_truncate ON strangler_change",
    """
    CREATE TRIGGER strangler_history_truncate BEFORE TRUNCATE ON strangler_change
    FOR EACH STATEMENT EXECUTE FUNCTION strangler_history()
    """,
]
_INSTALL = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}
_REMOVE = {
    "sqlite": [
        "DROP TRIGGER IF EXISTS strangler_history_update",
        "DROP TRIGGER IF EXISTS strangler_history_delete",
    ],
    "postgresql": [
        "DROP TRIGGER IF EXISTS strangler_history_row ON strangler_change",
        "DROP TRIGGER IF EXISTS strangler_history_truncate ON strangler_change",
        "DROP FUNCTION IF EXISTS strangler_history()",
    ],
}
_LOOK = {
    "sqlite": "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' "
    "AND name IN ('strangler_history_update', 'strangler_history_delete')",
    "postgresql": "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'strangler_change'::regclass "
    "AND tgname IN ('strangler_history_row', 'strangler_history_truncate') AND tgenabled <> 'D'",
}


def install(connection: BaseDatabaseWrapper) -> None:
    """Make the triggers, where there are none yet; other databases have Python's guard alone."""
    _run(connection, _INSTALL)


def remove(connection: BaseDatabaseWrapper) -> None:
    """Take the triggers away."""
    _run(connection, _REMOVE)


def guarded(connection: BaseDatabaseWrapper) -> bool:
    """Whether the triggers are in place; True for a database that has no such triggers."""
    query = _LOOK.get(connection.vendor)
    if query is None:
        return True
    with connection.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
    return bool(row and row[0] == 2)


def _run(connection: BaseDatabaseWrapper, statements: dict[str, list[str]]) -> None:
    with connection.cursor() as cursor:
        for statement in statements.get(connection.vendor, []):
            cursor.execute(statement)
