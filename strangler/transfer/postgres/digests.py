"""One hash of many rows: of 64 bits, each row's key in it, and equal numbers alike however written.

Two servers of another make may hash the same rows differently, which costs a look at them; that
rows which differ are hashed alike happens once in 2 ** 64 times.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from strangler.transfer.database import Digest
from strangler.transfer.mapping import Key
from strangler.transfer.postgres.link import Link
from strangler.transfer.postgres.rows import after_key
from strangler.transfer.postgres.schema import Described
from strangler.transfer.tables import ColumnKind

# A collation may call texts equal that are not the same; some types have no hash.
_AS = {
    ColumnKind.TEXT: '{}::text COLLATE "C"',
    ColumnKind.OTHER: '{}::text COLLATE "C"',
    ColumnKind.JSON: "{}::jsonb",
}
_FAR = 1_000_000_000


def digest(
    link: Link,
    table: str,
    columns: Sequence[str],
    after: Key | None,
    *,
    until: Key | None,
    limit: int | None,
) -> Digest:
    """Of the next rows in the key's order (text as bytes)."""
    known = link.known(table)
    where, parameters = after_key(known, "t", after, until)
    order = sql.SQL(", ").join(known.ordered("t"))
    row = link.connection.execute(
        sql.SQL(
            "SELECT count(*), bit_xor(hash_record_extended(ROW({values}), 0))::text, {last}"
            " FROM (SELECT * FROM {table} t {where} ORDER BY {order} LIMIT %s) t"
        ).format(
            last=_last(known),
            values=sql.SQL(", ").join(_value(known, name) for name in columns),
            table=known.name,
            where=where,
            order=order,
        ),
        [*parameters, _FAR if limit is None else limit],
    ).fetchone()
    count, said, *last = row or (0, None)
    return Digest(count, said or "", tuple(last) if count else None)


def _last(known: Described) -> sql.Composed:
    """The key of the last row, as a query gives it."""
    (name, *others) = known.table.key
    if not others and known.table.columns[name].kind is ColumnKind.INTEGER:
        return sql.SQL("max({})").format(sql.Identifier("t", name))
    picked = [
        sql.SQL("{}::text" if known.table.columns[name].kind is ColumnKind.OTHER else "{}").format(
            sql.SQL("(array_agg({}))[count(*)]").format(sql.Identifier("t", name))
        )
        for name in known.table.key
    ]
    return sql.SQL(", ").join(picked)


def _value(known: Described, name: str) -> sql.Composed:
    how = _AS.get(known.table.columns[name].kind, "{}")
    return sql.SQL(how).format(sql.Identifier("t", name))
