"""A rehearsal on PostgreSQL, on the connection of a service's own."""

# ruff: noqa: D102 -- the seam says what each method does
from __future__ import annotations

import json
from typing import Any, cast

import psycopg
from psycopg import sql

from strangler.ladder import Arm
from strangler.transfer.mapping import Key, Row
from strangler.transfer.postgres import kinds, rows
from strangler.transfer.postgres.errors import spoken
from strangler.transfer.postgres.link import Connection, Link, rehearsal_number
from strangler.transfer.rehearsed import plain
from strangler.transfer.rehearsing import (
    LOST,
    NOT_FENCED,
    NOT_INSTALLED,
    Doomed,
    Keys,
    Unrehearsable,
)
from strangler.transfer.tables import Table

_BOUNDS = """
SELECT set_config('lock_timeout', '250ms', true), set_config('statement_timeout', '2s', true),
       set_config('idle_in_transaction_session_timeout', '2s', true)
"""
"""Whoever waits for a rehearsal must not wait for long."""
_ALONE = "SELECT pg_advisory_xact_lock(%s)"
_FENCED = "SELECT fenced AND owner <> arm FROM strangler_owner WHERE capability = %s"
_DOOM = "INSERT INTO strangler_rehearsal (capability) VALUES (%s)"
_DOOMED = """
SELECT EXISTS (
  SELECT FROM strangler_rehearsal
   WHERE capability = %s AND xact = pg_current_xact_id_if_assigned())
"""
_NUMBER = "SELECT number FROM strangler_applied WHERE capability = %s"
_TABLES = "SELECT DISTINCT tbl FROM strangler_rehearsed WHERE capability = %s ORDER BY tbl"


class _Own:
    """Somebody else's connection: reads values as the seam wants them, and leaves it as it is."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def execute(self, query: Any, parameters: Any = None) -> psycopg.Cursor[tuple[Any, ...]]:
        cursor = psycopg.Cursor(self._connection)
        kinds.register(cast("Any", cursor))
        return cursor.execute(query, parameters, prepare=False)


class PostgresDoomed(Doomed):
    """Such a connection. The tables are those that the fence names."""

    def __init__(self, connection: psycopg.Connection[Any], capability: str) -> None:
        own = cast("Connection", _Own(connection))
        self._capability = capability
        self._connection = connection
        self._link = Link(own, capability, Arm.SERVICE, ())

    def doom(self) -> int:
        with spoken():
            there = self._one("SELECT to_regclass('strangler_rehearsal') IS NOT NULL")
            if not there:
                raise Unrehearsable(NOT_INSTALLED.format(self._capability))
            self._link.connection.execute(_BOUNDS)
            self._link.connection.execute(_ALONE, [rehearsal_number(self._capability)])
            self._link.connection.execute(_DOOM, [self._capability])
            self._fenced()
            number = self.number()
            self._link.connection.execute("SAVEPOINT strangler_rehearsal")
            return number

    def written(self) -> Keys:
        with spoken():
            if not self._one(_DOOMED, self._capability):
                raise Unrehearsable(LOST.format(self._capability))
            self._fenced()
            found = self._link.connection.execute(_TABLES, [self._capability]).fetchall()
            return {table: self._keys(table) for (table,) in found}

    def _keys(self, table: str) -> set[Key]:
        known = self._link.known(table)
        parts = sql.SQL(", ").join(
            sql.SQL("said->>{}").format(sql.Literal(name)) for name in known.table.key
        )
        found = self._link.connection.execute(
            sql.SQL(
                "SELECT DISTINCT {} FROM strangler_rehearsed WHERE capability = {} AND tbl = {}"
            ).format(parts, sql.Literal(self._capability), sql.Literal(table))
        )
        return {known.key_of(json.dumps(key)) for key in found}

    def undo(self) -> None:
        with spoken():
            self._link.connection.execute("ROLLBACK TO SAVEPOINT strangler_rehearsal")

    def rows(self, keys: Keys) -> dict[str, dict[Key, Row]]:
        with spoken():
            return {
                table: rows.read(
                    self._link, table, tuple(self._link.known(table).table.columns), some
                )
                for table, some in keys.items()
            }

    def number(self) -> int:
        with spoken():
            return int(self._one(_NUMBER, self._capability) or 0)

    def abandon(self) -> None:
        self._connection.rollback()  # what is executed now has two seconds at most

    def moment(self) -> str:
        with spoken():
            return str(plain(self._one("SELECT now()")))

    def table(self, name: str) -> Table:
        with spoken():
            return self._link.known(name).table

    def _fenced(self) -> None:
        if not self._one(_FENCED, self._capability):
            raise Unrehearsable(NOT_FENCED.format(self._capability))

    def _one(self, query: str, *parameters: object) -> Any:
        row = self._link.connection.execute(query, list(parameters)).fetchone()
        return row[0] if row else None
