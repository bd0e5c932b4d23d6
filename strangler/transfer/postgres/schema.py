"""Tables as PostgreSQL's catalog describes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg
from psycopg import sql

from strangler.transfer.errors import Unfit
from strangler.transfer.mapping import Key
from strangler.transfer.postgres import kinds
from strangler.transfer.tables import Column, ColumnKind, ForeignKey, Table

_TABLE = """
SELECT c.oid, c.relkind, c.relispartition,
       EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid OR inhparent = c.oid)
  FROM pg_class c
 WHERE c.relname = %s AND c.relnamespace = current_schema()::regnamespace
"""
_COLUMNS = """
SELECT a.attname, base.typname, format_type(a.atttypid, -1), format_type(a.atttypid, a.atttypmod),
       NOT a.attnotnull, a.atthasdef OR a.attidentity <> '', a.attgenerated <> '',
       coalesce(
         pg_get_serial_sequence(a.attrelid::regclass::text, a.attname),
         (SELECT s.oid::regclass::text
            FROM pg_attrdef d
            JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
                            AND p.refclassid = 'pg_class'::regclass
            JOIN pg_class s ON s.oid = p.refobjid AND s.relkind = 'S'
           WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum LIMIT 1)),
       CASE WHEN a.attcollation = 0 THEN true
            WHEN l.collname = 'default' THEN d.datcollate IN ('C', 'POSIX')
            ELSE l.collcollate IN ('C', 'POSIX') END
  FROM pg_attribute a
  JOIN pg_type t ON t.oid = a.atttypid
  JOIN pg_type base ON base.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
  JOIN pg_database d ON d.datname = current_database()
  LEFT JOIN pg_collation l ON l.oid = a.attcollation
 WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum
"""
_KEYS = """
SELECT i.indisprimary, i.indimmediate,
       (SELECT array_agg(attname::text ORDER BY place)
          FROM unnest(i.indkey[:i.indnkeyatts - 1]) WITH ORDINALITY k(num, place)
          JOIN pg_attribute ON attrelid = i.indrelid AND attnum = num)
  FROM pg_index i
 WHERE i.indrelid = %s AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
 ORDER BY i.indexrelid
"""
_FOREIGN_KEYS = """
SELECT (SELECT array_agg(attname::text ORDER BY place)
          FROM unnest(c.conkey) WITH ORDINALITY k(num, place)
          JOIN pg_attribute ON attrelid = c.conrelid AND attnum = num),
       r.relname,
       (SELECT array_agg(attname::text ORDER BY place)
          FROM unnest(c.confkey) WITH ORDINALITY k(num, place)
          JOIN pg_attribute ON attrelid = c.confrelid AND attnum = num),
       c.condeferrable, c.confdeltype IN ('c', 'n', 'd') OR c.confupdtype IN ('c', 'n', 'd')
  FROM pg_constraint c JOIN pg_class r ON r.oid = c.confrelid
 WHERE c.conrelid = %s AND c.contype = 'f'
 ORDER BY c.conname
"""


@dataclass(frozen=True)
class Described:
    """A table, and what our statements need to know beyond it."""

    table: Table
    schema: str
    casts: dict[str, str]
    """Each column's type, as one writes it in a cast that loses nothing."""
    unordered: frozenset[str]
    """The columns that are not compared as bytes unless one says so."""

    @property
    def name(self) -> sql.Identifier:
        """The table, quoted."""
        return sql.Identifier(self.table.name)

    @cached_property
    def key_of(self) -> Callable[[str], Key]:
        """What makes a key of the journal's text."""
        return kinds.key_reader([self.table.columns[name].kind for name in self.table.key])

    @cached_property
    def plain(self) -> bool:
        """The key is one column, whose text has nothing in it that JSON or an array would quote."""
        kinds = [self.table.columns[name].kind for name in self.table.key]
        return len(kinds) == 1 and kinds[0] in {ColumnKind.INTEGER, ColumnKind.UUID}

    def key_text(self, alias: str) -> sql.Composed:
        """The journal's text for the key of the row ``alias``."""
        parts = [sql.Identifier(alias, name) for name in self.table.key]
        if self.plain:
            return sql.SQL("""'["' || {} || '"]'""").format(parts[0])
        texts = sql.SQL(", ").join(sql.SQL("{}::text").format(part) for part in parts)
        return sql.SQL("json_build_array({})::text").format(texts)

    def ordered(self, alias: str) -> list[sql.Composed]:
        """What to compare the key's columns by, so that bytes decide."""
        return [self._ordered(alias, name) for name in self.table.key]

    def _ordered(self, alias: str, name: str) -> sql.Composed:
        column = sql.Composed([sql.Identifier(alias, name)])
        if name not in self.unordered:
            return column
        if self.table.columns[name].kind is ColumnKind.OTHER:
            return sql.SQL('{}::text COLLATE "C"').format(column)
        return sql.SQL('{} COLLATE "C"').format(column)

    def selected(self, alias: str, columns: tuple[str, ...]) -> sql.Composed:
        """Columns, as a SELECT names them for Python to get the seam's values."""
        return sql.SQL(", ").join(
            sql.SQL(
                "{}::text" if self.table.columns[name].kind is ColumnKind.OTHER else "{}"
            ).format(sql.Identifier(alias, name))
            for name in columns
        )

    def cast(self, name: str, *, array: bool = False) -> sql.SQL:
        """``::type`` for a column."""
        return sql.SQL(f"::{self.casts[name]}{'[]' if array else ''}")

    def compared(self, name: str) -> sql.SQL:
        """``::type`` for a value that is compared with one of ``ordered``."""
        other = self.table.columns[name].kind is ColumnKind.OTHER
        return sql.SQL("::text") if other else self.cast(name)

    def keys(self, keys: list[Key], alias: str = "k") -> tuple[sql.Composed, list[list[Any]]]:
        """Keys as rows of a FROM: ``unnest(…) AS k(id)``, and its parameters."""
        listed = sql.SQL(", ").join(map(sql.Identifier, self.table.key))
        rows = sql.SQL("unnest({}) WITH ORDINALITY AS {}({}, strangler_place)").format(
            sql.SQL(", ").join(
                sql.SQL("%s{}").format(self.cast(name, array=True)) for name in self.table.key
            ),
            sql.Identifier(alias),
            listed,
        )
        return rows, [[key[place] for key in keys] for place in range(len(self.table.key))]

    def same_key(self, left: str, right: str) -> sql.Composed:
        """``left.id = right.id``, for all of the key."""
        return sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier(left, name), sql.Identifier(right, name))
            for name in self.table.key
        )

    def overwriting(self, columns: tuple[str, ...]) -> sql.Composed:
        """What ``ON CONFLICT DO`` does for these columns to be as given."""
        others = [sql.Identifier(name) for name in columns if name not in self.table.key]
        if not others:
            return sql.Composed([sql.SQL("NOTHING")])
        sets = sql.SQL(", ").join(sql.SQL("{0} = EXCLUDED.{0}").format(name) for name in others)
        return sql.SQL("UPDATE SET {}").format(sets)


def describe(connection: psycopg.Connection[tuple[Any, ...]], name: str) -> Described:
    """A table of the current schema.

    Raises:
        Unfit: there is none of this name, or of the kind that can be transferred.
    """
    schema = _schema(connection)
    row = connection.execute(_TABLE, [name]).fetchone()
    if row is None:
        raise Unfit([f"{name}: there is no such table in {schema}"])
    oid, relkind, partition, related = row
    if relkind == "p" or partition or related:
        raise Unfit([f"{name}: a partitioned or inherited table can't be transferred"])
    if relkind != "r":
        raise Unfit([f"{name}: it is no ordinary table"])
    columns: dict[str, Column] = {}
    casts: dict[str, str] = {}
    unordered = set()
    for (
        column,
        base,
        cast,
        said,
        nullable,
        defaulted,
        generated,
        sequence,
        ordered,
    ) in connection.execute(_COLUMNS, [oid]):
        kind = kinds.kind_of(base)
        columns[column] = Column(column, kind, said, nullable, defaulted, generated, sequence)
        casts[column] = cast
        if kind is ColumnKind.OTHER or not ordered:
            unordered.add(column)
    key: tuple[str, ...] = ()
    uniques = []
    for primary, immediate, names in connection.execute(_KEYS, [oid]):
        if not primary:
            uniques.append(tuple(names))
            continue
        key = tuple(names)
        if not immediate:
            raise Unfit([f"{name}: its primary key is deferrable, and can't be upserted by"])
    foreign = tuple(
        ForeignKey(tuple(mine), table, tuple(theirs), deferrable, acts)
        for mine, table, theirs, deferrable, acts in connection.execute(_FOREIGN_KEYS, [oid])
    )
    odd = [part for part in key if columns[part].kind not in kinds.KEY_KINDS]
    if odd:
        said = ", ".join(f"{part} ({columns[part].type})" for part in odd)
        raise Unfit([f"{name}: its primary key has columns of a type that no key can have: {said}"])
    table = Table(name, key, columns, foreign, tuple(uniques))
    return Described(table, schema, casts, frozenset(unordered))


def _schema(connection: psycopg.Connection[tuple[Any, ...]]) -> str:
    row = connection.execute("SELECT coalesce(current_schema()::text, 'any schema')").fetchone()
    return str(row[0]) if row else ""
