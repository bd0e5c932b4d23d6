"""Putting the kit's tables and triggers into a SQLite file, and taking them out."""

# ruff: noqa: S608 - names are quoted, and values are bound

from __future__ import annotations

from strangler.ladder import Arm
from strangler.transfer.database import HEARTBEAT
from strangler.transfer.errors import ReferenceMissing, Unfit
from strangler.transfer.sqlite.link import Link
from strangler.transfer.sqlite.schema import Described, quoted
from strangler.transfer.sqlite.stepping import owner_row
from strangler.transfer.sqlite.tables import Tables
from strangler.transfer.sqlite.triggers import TABLES, heartbeat, triggers
from strangler.transfer.tables import ColumnKind

_NO_KEYS = {
    ColumnKind.FLOAT: "a number with a fraction",
    ColumnKind.DECIMAL: "a number with a fraction",
    ColumnKind.JSON: "JSON",
}

_OURS = (
    "strangler_journal", "strangler_parked", "strangler_applied", "strangler_asked",
    "strangler_delivered", HEARTBEAT,
)  # fmt: skip

_ALWAYS = (
    "strangler_applied", "strangler_asked", "strangler_delivered", "strangler_rehearsal",
    "strangler_nowhere",
)  # fmt: skip

RETIRED = "retired_"
"""How the name of a table begins that was set aside."""


def install(link: Link, tables: Tables, *, owner: Arm, epoch: int) -> None:
    """Make what is missing.

    Raises:
        Unfit: a table is not there, or can't have triggers.
    """
    problems = [problem for name in tables.names for problem in _problems(tables, name)]
    if problems:
        raise Unfit(problems)
    link.run("PRAGMA journal_mode = WAL")
    with link.writing():
        for statement in TABLES:
            link.run(statement)
        link.run(
            "INSERT OR IGNORE INTO strangler_owner (capability, owner, epoch) VALUES (?, ?, ?)",
            (tables.capability, owner.value, epoch),
        )
        there = _there(link)
        for name, sql in _wanted(tables).items():
            if there.get(name) == sql:
                continue
            if name in there:
                link.run(f"DROP TRIGGER {quoted(name)}")
            link.run(sql)


def missing(link: Link, tables: Tables) -> list[str]:
    """What should be there, and is not, or is not as it should be."""
    if owner_row(link, tables.capability) is None:
        return [f"{link.path}: transfer of {tables.capability} is not installed"]
    there = _there(link)
    found: list[str] = []
    for table in (*tables.names, HEARTBEAT):
        if _is_there(link, RETIRED + table) and not _is_there(link, table):
            continue
        try:
            wanted = _of(tables, table)
        except Unfit as unfit:
            found += unfit.problems
            continue
        for name, sql in wanted.items():
            if name not in there:
                found.append(f"trigger {name} on {table}: it is not there; install it again")
            elif there[name] != sql:
                found.append(f"trigger {name} on {table}: the table has changed; install it again")
    if link.one("SELECT 1 FROM strangler_origin") is None:
        found.append("strangler_origin: its row is not there; install it again")
    found += [f"{name} is gone; install it again" for name in _ALWAYS if not _is_there(link, name)]
    return found


def remove(link: Link, tables: Tables) -> None:
    """Take the capability's triggers, entries and owner row away; its rows stay."""
    if owner_row(link, tables.capability) is None:
        return
    with link.writing():
        mine = {name for table in tables.names for name in (table, RETIRED + table)}
        beginning = f"strangler_{tables.capability}_"
        for name, table in link.rows(
            "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'"
        ):
            if table in mine and name.startswith(beginning):
                link.run(f"DROP TRIGGER {quoted(name)}")
        link.run("DELETE FROM strangler_owner WHERE capability = ?", (tables.capability,))
        for name in _OURS:
            link.run(f"DELETE FROM {name} WHERE capability = ?", (tables.capability,))


def set_aside(link: Link, tables: Tables) -> list[str]:
    """Rename the tables; their triggers go with them."""
    with link.writing():
        for name in tables.names:
            if _is_there(link, name) and not _is_there(link, RETIRED + name):
                link.run(f"ALTER TABLE {quoted(name)} RENAME TO {quoted(RETIRED + name)}")
    return [RETIRED + name for name in tables.names]


def named(link: Link, tables: Tables) -> ReferenceMissing | None:
    """Which row's foreign key leads nowhere, in a transaction that can't be committed for it."""
    for name in tables.names:
        found = link.one(f"PRAGMA foreign_key_check({quoted(name)})")
        if found is not None:
            return ReferenceMissing(
                f"{name} (rowid {found[1]}): it refers to a row of {found[2]} that is not there",
                name,
            )
    return None


def _problems(tables: Tables, name: str) -> list[str]:
    try:
        described = tables.get(name)
    except Unfit as unfit:
        return list(unfit.problems)
    if not described.table.key:
        return [f"{name}: it has no primary key; give it one, or its rows can't be told apart"]
    return [
        f"{name}.{column}: {_NO_KEYS[kind]} can't be a key, because SQLite writes it in many ways"
        for column in described.table.key
        if (kind := described.table.columns[column].kind) in _NO_KEYS
    ]


def _wanted(tables: Tables) -> dict[str, str]:
    return {
        name: sql
        for table in (*tables.names, HEARTBEAT)
        for name, sql in _of(tables, table).items()
    }


def _of(tables: Tables, table: str) -> dict[str, str]:
    described: Described = tables.get(table)
    if table == HEARTBEAT:
        return heartbeat(described)
    return triggers(tables.capability, described, tables.arm)


def _is_there(link: Link, table: str) -> bool:
    return link.one("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)) is not None


def _there(link: Link) -> dict[str, str]:
    return dict(link.rows("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
