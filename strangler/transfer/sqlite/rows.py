"""Reading a SQLite file's rows, and what numbers them."""

# ruff: noqa: S608 - names are quoted, and values are bound

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from strangler.transfer.errors import Unfit
from strangler.transfer.mapping import Key, Row
from strangler.transfer.sqlite.link import Link
from strangler.transfer.sqlite.schema import Described, quoted
from strangler.transfer.sqlite.tables import Tables, keys_of
from strangler.transfer.sqlite.values import given, stored
from strangler.transfer.tables import Table

_VARIABLES = 30_000
"""What one statement takes; SQLite's own limit is 32,766."""


def read(
    link: Link, tables: Tables, described: Described, columns: Sequence[str], keys: Collection[Key]
) -> dict[Key, Row]:
    """The rows of these keys; what is not there is left out."""
    found: dict[Key, Row] = {}
    for condition, values in among(tables, described, list(keys)):
        found |= _select(link, described, columns, f"WHERE {condition}", values)
    return found


def chunk(
    link: Link,
    tables: Tables,
    described: Described,
    columns: Sequence[str],
    after: Key | None = None,
    *,
    limit: int,
    until: Key | None = None,
) -> list[tuple[Key, Row]]:
    """The next rows in the key's order."""
    # BINARY, whatever the column says: bytes decide, on either kind of database.
    key = [f"{quoted(name)} COLLATE BINARY" for name in described.table.key]
    marks = ", ".join("?" * len(key))
    conditions, values = [], list[object]()
    for bound, sign in ((after, ">"), (until, "<=")):
        if bound is not None:
            conditions.append(f"({', '.join(key)}) {sign} ({marks})")
            values += stored_key(tables, described, bound)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    rest = f"{where} ORDER BY {', '.join(key)} LIMIT ?"
    return list(_select(link, described, columns, rest, [*values, limit]).items())


def _select(
    link: Link, described: Described, columns: Sequence[str], rest: str, values: Sequence[object]
) -> dict[Key, Row]:
    table = described.table
    wanted = [*table.key, *columns]
    names = ", ".join(quoted(name) for name in wanted)
    found = link.rows(f"SELECT {names} FROM {quoted(table.name)} {rest}", values)
    reading = [given(table.columns[name].kind) for name in wanted]
    split = len(table.key)
    rows: dict[Key, Row] = {}
    for one in found:
        value = [read(part) for read, part in zip(reading, one, strict=True)]
        rows[tuple(value[:split])] = dict(zip(columns, value[split:], strict=True))
    return rows


def among(
    tables: Tables, described: Described, keys: Sequence[Key]
) -> Iterator[tuple[str, list[object]]]:
    """Conditions, with their values, that together say: the key is one of these."""
    names = [quoted(name) for name in described.table.key]
    step = max(1, _VARIABLES // max(1, len(names)))
    one = "?" if len(names) == 1 else f"({', '.join('?' * len(names))})"
    left = names[0] if len(names) == 1 else f"({', '.join(names)})"
    for start in range(0, len(keys), step):
        some = keys[start : start + step]
        values = [part for key in some for part in stored_key(tables, described, key)]
        marks = ", ".join([one] * len(some))
        # Several columns are compared with rows of VALUES, one with a list.
        right = f"({marks})" if len(names) == 1 else f"(VALUES {marks})"
        yield f"{left} IN {right}", values


def stored_key(tables: Tables, described: Described, key: Key) -> list[object]:
    """A key's values as they are stored."""
    columns = keys_of(described.table)
    return [stored(column, tables.arm)(value) for column, value in zip(columns, key, strict=True)]


def last_number(link: Link, described: Described, column: str) -> int:
    """The last number that SQLite gave for this column, 0 for none."""
    if described.rowid != column:
        return 0
    table = described.table.name
    (last,) = link.one(f"SELECT coalesce(max({quoted(column)}), 0) FROM {quoted(table)}")
    if described.autoincrement:
        given_out = link.one("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,))
        last = max(last, given_out[0] if given_out else 0)
    return max(0, int(last))


def number_from(link: Link, described: Described, column: str, last: int) -> None:
    """Let SQLite give no number up to ``last`` for this column.

    Raises:
        Unfit: it can't be kept from it.
    """
    table = described.table.name
    if last_number(link, described, column) >= last:
        return
    if described.rowid != column or not described.autoincrement:
        problem = (
            f"{table}.{column}: SQLite would give the number {last} again, which the other side "
            "has given; declare the column AUTOINCREMENT (Django does so; for SQLAlchemy: "
            "__table_args__ = {'sqlite_autoincrement': True})"
        )
        raise Unfit([problem])
    if not link.run("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (last, table)):
        link.run("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, last))


def count(link: Link, table: Table) -> int:
    """How many rows there are."""
    return int(link.one(f"SELECT count(*) FROM {quoted(table.name)}")[0])
