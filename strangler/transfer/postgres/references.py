"""What hangs together with a row: rows that refer to it, rows that hold its unique values."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from psycopg import sql

from strangler.transfer.database import Change
from strangler.transfer.mapping import Key
from strangler.transfer.postgres.link import Link
from strangler.transfer.postgres.schema import Described
from strangler.transfer.postgres.staging import staged
from strangler.transfer.tables import ForeignKey


def referring(
    link: Link, table: str, keys: Collection[Key], *, acting: bool = False
) -> dict[str, set[Key]]:
    """The keys of the capability's rows which refer to these rows; also their own children's.

    With ``acting``, only by references that delete or change rows by themselves.
    """
    found: dict[str, set[Key]] = {}
    waiting = [(table, set(keys))]
    while waiting:
        parent, of = waiting.pop()
        for child in link.tables:
            known = link.known(child)
            for reference in known.table.foreign_keys:
                if reference.table != parent or not of or (acting and not reference.acts):
                    continue
                new = _children(link, known, reference, of) - found.get(child, set())
                if child == table:
                    new -= set(keys)
                found.setdefault(child, set()).update(new)
                waiting.append((child, new))
    return {name: rows for name, rows in found.items() if rows}


def _children(link: Link, child: Described, reference: ForeignKey, of: set[Key]) -> set[Key]:
    parent = link.known(reference.table)
    source, parameters = parent.keys(list(of))
    matched = sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier("c", mine), sql.Identifier("t", theirs))
        for mine, theirs in zip(reference.columns, reference.references, strict=True)
    )
    rows = link.connection.execute(
        sql.SQL("SELECT {} FROM {} JOIN {} t ON {} JOIN {} c ON {}").format(
            child.selected("c", child.table.key),
            source,
            parent.name,
            parent.same_key("t", "k"),
            child.name,
            matched,
        ),
        parameters,
    )
    return set(rows)


def taken(link: Link, table: str, change: Change) -> set[Key]:
    """The keys of rows besides the change's that hold a unique value of one of its rows."""
    known = link.known(table)
    columns = change.columns
    places = [columns.index(name) for name in known.table.key]
    ours = {tuple(row[place] for place in places) for row in change.rows} | set(change.gone)
    found: set[Key] = set()
    for unique in known.table.uniques:
        if not set(unique) <= set(columns):
            continue
        values = [[row[columns.index(name)] for row in change.rows] for name in unique]
        arrays = sql.SQL(", ").join(
            sql.SQL("%s{}").format(known.cast(name, array=True)) for name in unique
        )
        names = sql.SQL(", ").join(map(sql.Identifier, unique))
        same = sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier("t", name), sql.Identifier("u", name))
            for name in unique
        )
        rows = link.connection.execute(
            sql.SQL("SELECT {} FROM unnest({}) AS u({}) JOIN {} t ON {}").format(
                known.selected("t", known.table.key), arrays, names, known.name, same
            ),
            values,
        )
        found |= set(rows) - ours
    return found


def replace(link: Link, change: Change, table: str) -> None:
    """Delete the rows of a change that are there, and insert them again as they shall be.

    In one statement, which first deletes all of them: so unique values may go round, and foreign
    keys are checked when the rows are back. What the change does not name is kept.
    """
    known = link.look(table)  # every column there is now, or one would be lost
    every = known.table.writable
    values = sql.SQL(", ").join(
        sql.Identifier("s" if name in change.columns else "gone", name) for name in every
    )
    places = [change.columns.index(name) for name in known.table.key]
    keys = [tuple(row[place] for place in places) for row in change.rows]
    with staged(link, known, change.columns, change.rows) as stage, _kept(link, known, keys):
        link.connection.execute(
            sql.SQL(
                "WITH gone AS (DELETE FROM {table} t USING {stage} s WHERE {deleted} RETURNING t.*)"
                " INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE"
                " SELECT {values} FROM {stage} s JOIN gone ON {same}"
                " WHERE (SELECT count(*) FROM gone) > 0"
            ).format(
                table=known.name,
                stage=stage,
                deleted=known.same_key("t", "s"),
                columns=sql.SQL(", ").join(map(sql.Identifier, every)),
                values=values,
                same=known.same_key("gone", "s"),
            )
        )


@contextmanager
def _kept(link: Link, parent: Described, keys: Collection[Key]) -> Iterator[None]:
    """What the deletion of these rows deletes or changes by itself is afterwards as it was."""
    kept = []
    found = referring(link, parent.table.name, keys, acting=True)
    for number, (table, rows) in enumerate(found.items()):
        known, name = link.look(table), sql.Identifier(f"strangler_kept_{number}")
        source, parameters = known.keys(list(rows))
        query = sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT * FROM {} WITH NO DATA")
        link.connection.execute(query.format(name, known.name))
        link.connection.execute(
            sql.SQL("INSERT INTO {} SELECT t.* FROM {} JOIN {} t ON {}").format(
                name, source, known.name, known.same_key("t", "k")
            ),
            parameters,
        )
        kept.append((known, name))
    yield
    for known, name in kept:
        columns = sql.SQL(", ").join(map(sql.Identifier, known.table.writable))
        link.connection.execute(
            sql.SQL(
                "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns}"
                " FROM {kept} ON CONFLICT ({key}) DO {action}"
            ).format(
                table=known.name,
                columns=columns,
                kept=name,
                key=sql.SQL(", ").join(map(sql.Identifier, known.table.key)),
                action=known.overwriting(known.table.writable),
            )
        )
        link.connection.execute(sql.SQL("DROP TABLE {}").format(name))
