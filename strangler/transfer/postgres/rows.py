"""Reading rows: by key, by chunk, and what numbers them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from psycopg import sql

from strangler.transfer.mapping import Key, Row
from strangler.transfer.postgres.link import Link
from strangler.transfer.postgres.schema import Described

_ABOUT = """
SELECT reltuples FROM pg_class
 WHERE relname = %s AND relnamespace = current_schema()::regnamespace
"""
_FEW = 100_000


def read(link: Link, table: str, columns: Sequence[str], keys: Collection[Key]) -> dict[Key, Row]:
    """These rows; what is not there is left out."""
    if not keys:
        return {}
    known = link.known(table)
    width = len(known.table.key)
    listed = known.selected("t", (*known.table.key, *columns))
    source, parameters = known.keys(list(keys))
    if width == 1:
        (column,) = known.table.key
        query = sql.SQL("SELECT {} FROM {} t WHERE {} = ANY(%s{})").format(
            listed, known.name, sql.Identifier("t", column), known.cast(column, array=True)
        )
    else:
        query = sql.SQL("SELECT {} FROM {} JOIN {} t ON {}").format(
            listed, source, known.name, known.same_key("t", "k")
        )
    rows = link.connection.execute(query, parameters)
    return {row[:width]: dict(zip(columns, row[width:], strict=True)) for row in rows}


def after_key(
    known: Described, alias: str, after: Key | None, until: Key | None
) -> tuple[sql.Composed, list[Any]]:
    """``WHERE (key) > (…) AND (key) <= (…)`` in the order of bytes, and its parameters."""
    key = sql.SQL(", ").join(known.ordered(alias))
    given = sql.SQL(", ").join(
        sql.SQL("%s{}").format(known.compared(name)) for name in known.table.key
    )
    conditions = []
    parameters: list[Any] = []
    for bound, sign in ((after, ">"), (until, "<=")):
        if bound is not None:
            conditions.append(sql.SQL("({}) {} ({})").format(key, sql.SQL(sign), given))
            parameters += bound
    if not conditions:
        return sql.Composed([]), []
    return sql.SQL("WHERE {}").format(sql.SQL(" AND ").join(conditions)), parameters


def key_texts(link: Link, table: str, keys: Sequence[Key]) -> dict[str, Key]:
    """The journal's text of these keys, as PostgreSQL itself writes it."""
    known = link.known(table)
    source, parameters = known.keys(list(keys))
    texts = link.connection.execute(
        sql.SQL("SELECT {} FROM {}").format(known.key_text("k"), source), parameters
    )
    return {text: key for (text,), key in zip(texts, keys, strict=True)}


def chunk(
    link: Link,
    table: str,
    columns: Sequence[str],
    after: Key | None,
    *,
    until: Key | None,
    limit: int,
) -> list[tuple[Key, Row]]:
    """The next rows in the key's order."""
    known = link.known(table)
    width = len(known.table.key)
    where, parameters = after_key(known, "t", after, until)
    rows = link.connection.execute(
        sql.SQL("SELECT {} FROM {} t {} ORDER BY {} LIMIT %s").format(
            known.selected("t", (*known.table.key, *columns)),
            known.name,
            where,
            sql.SQL(", ").join(known.ordered("t")),
        ),
        [*parameters, limit],
    )
    return [(row[:width], dict(zip(columns, row[width:], strict=True))) for row in rows]


def count(link: Link, table: str) -> int:
    """How many rows there are: about, where they are many and the statistics know."""
    row = link.connection.execute(_ABOUT, [table]).fetchone()
    if row is not None and row[0] >= _FEW:
        return int(row[0])
    exact = link.connection.execute(
        sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
    ).fetchone()
    return int(exact[0]) if exact else 0


def last_number(link: Link, table: str, column: str) -> int:
    """The last number that this column's sequence has given, 0 for none."""
    sequence = link.known(table).table.columns[column].sequence
    if sequence is None:
        return 0
    row = link.connection.execute(
        sql.SQL(
            "SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM {}"
        ).format(sql.SQL(sequence))
    ).fetchone()
    return max(0, int(row[0])) if row else 0
