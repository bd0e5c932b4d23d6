"""What the tables of a SQLite file are."""

from __future__ import annotations

import re
from dataclasses import dataclass

from strangler.transfer.errors import Unfit
from strangler.transfer.sqlite.link import Link
from strangler.transfer.sqlite.values import kind_of
from strangler.transfer.tables import Column, ColumnKind, ForeignKey, Table

_ACTS = {"CASCADE", "SET NULL", "SET DEFAULT"}
_JSON_CHECK = re.compile(r'JSON_VALID\(\s*["`\[]?(\w+)["`\]]?\s*\)', re.IGNORECASE)
_AUTOINCREMENT = re.compile(r"\bAUTOINCREMENT\b", re.IGNORECASE)
_WITHOUT_ROWID = re.compile(r"\bWITHOUT\s+ROWID\b[^()]*$", re.IGNORECASE)
_STRICT = re.compile(r"\)[^()]*\bSTRICT\b[^()]*$", re.IGNORECASE)
_GENERATED = {2, 3}


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True, slots=True)
class Index:
    """A unique index besides the primary key's."""

    name: str
    terms: tuple[str, ...]
    """What it is made of, in SQL: names of columns, or expressions of them."""
    columns: tuple[str, ...]
    """The columns that it depends on."""
    plain: bool
    """It is made of columns only, and holds for every row."""


@dataclass(frozen=True, slots=True)
class Described:
    """A table, and what only SQLite needs to know of it."""

    table: Table
    indexes: tuple[Index, ...]
    rowid: str | None
    """The column that SQLite numbers, if there is one."""
    autoincrement: bool
    """It gives no number twice."""
    strict: bool


def describe(link: Link, name: str) -> Described:
    """A table as it is now.

    Raises:
        Unfit: there is none of this name, or it is a view or a virtual table.
    """
    found = link.one("SELECT type, sql FROM sqlite_master WHERE name = ?", (name,))
    if found is None or found[0] not in {"table", "view"}:
        raise Unfit([f"{name}: there is no such table in {link.path}"])
    kind, sql = found
    if kind == "view" or sql.upper().startswith("CREATE VIRTUAL"):
        raise Unfit([f"{name}: it is a view or a virtual table, and has no rows of its own"])
    infos = link.rows(f"PRAGMA table_xinfo({quoted(name)})")
    ranked = sorted((pk, column) for _, column, _, _, _, pk, _ in infos if pk)
    key = tuple(column for _, column in ranked)
    rowid = _rowid(infos, sql)
    checked = set(_JSON_CHECK.findall(sql))
    columns = {info[1]: _column(name, info, rowid, checked) for info in infos if info[6] != 1}
    indexes = _indexes(link, name, tuple(columns))
    return Described(
        Table(
            name,
            key,
            columns,
            _foreign_keys(link, name),
            tuple(dict.fromkeys(index.columns for index in indexes)),
        ),
        indexes,
        rowid,
        autoincrement=rowid is not None and bool(_AUTOINCREMENT.search(sql)),
        strict=bool(_STRICT.search(sql)),
    )


def _rowid(infos: list[tuple[int, str, str, int, object, int, int]], sql: str) -> str | None:
    keys = [info for info in infos if info[5]]
    if len(keys) != 1 or keys[0][2].upper() != "INTEGER" or _WITHOUT_ROWID.search(sql):
        return None
    return keys[0][1]


def _column(
    table: str,
    info: tuple[int, str, str, int, object, int, int],
    rowid: str | None,
    checked: set[str],
) -> Column:
    _, name, declared, notnull, default, _, hidden = info
    kind = kind_of(declared)
    if kind is ColumnKind.TEXT and name in checked:
        kind = ColumnKind.JSON
    numbered = name == rowid
    return Column(
        name,
        kind,
        declared,
        nullable=not notnull and not numbered,
        defaulted=default is not None or numbered,
        generated=hidden in _GENERATED,
        sequence=table if numbered else None,
    )


def _foreign_keys(link: Link, name: str) -> tuple[ForeignKey, ...]:
    found: dict[int, list[tuple[str, str, str | None, str, str]]] = {}
    for number, _, table, own, theirs, update, delete, _ in link.rows(
        f"PRAGMA foreign_key_list({quoted(name)})"
    ):
        found.setdefault(number, []).append((table, own, theirs, update, delete))
    return tuple(_foreign_key(link, parts) for _, parts in sorted(found.items()))


def _foreign_key(link: Link, parts: list[tuple[str, str, str | None, str, str]]) -> ForeignKey:
    table, _, _, update, delete = parts[0]
    references = tuple(theirs for _, _, theirs, _, _ in parts if theirs is not None)
    if not references:  # it refers to the primary key, without saying so
        infos = link.rows(f"PRAGMA table_xinfo({quoted(table)})")
        references = tuple(
            name for _, name in sorted((info[5], info[1]) for info in infos if info[5])
        )
    return ForeignKey(
        tuple(own for _, own, _, _, _ in parts),
        table,
        references,
        # RESTRICT acts at once, even in a transaction that defers all else.
        deferrable="RESTRICT" not in (update, delete),
        acts=update in _ACTS or delete in _ACTS,
    )


def _indexes(link: Link, table: str, columns: tuple[str, ...]) -> tuple[Index, ...]:
    found = []
    for _, name, unique, origin, partial in link.rows(f"PRAGMA index_list({quoted(table)})"):
        if unique and origin != "pk":
            found.append(_index(link, name, columns, partial=bool(partial)))
    return tuple(found)


def _index(link: Link, name: str, columns: tuple[str, ...], *, partial: bool) -> Index:
    parts = link.rows(f"PRAGMA index_xinfo({quoted(name)})")
    named = [(part[2], part[4]) for part in parts if part[5]]
    if all(column is not None for column, _ in named):
        terms = tuple(
            f"{quoted(column)} COLLATE {quoted(collation)}" for column, collation in named
        )
        return Index(name, terms, tuple(column for column, _ in named), plain=not partial)
    (sql,) = link.one("SELECT sql FROM sqlite_master WHERE type = 'index' AND name = ?", (name,))
    terms = _terms(sql)
    words = set(re.findall(r"\w+", " ".join(terms)))
    return Index(name, terms, tuple(c for c in columns if c in words), plain=False)


def _terms(sql: str) -> tuple[str, ...]:
    """The terms of a CREATE INDEX: what stands between its first parenthesis and that one's end."""
    terms, depth, quote, start = [], 0, "", sql.index("(") + 1
    for place in range(start - 1, len(sql)):
        sign = sql[place]
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"`":
            quote = sign
        elif sign == "(":
            depth += 1
        elif sign == ")":
            depth -= 1
        if not quote and ((sign == "," and depth == 1) or (sign == ")" and depth == 0)):
            terms.append(re.sub(r"\s+(ASC|DESC)\s*$", "", sql[start:place], flags=re.IGNORECASE))
            start = place + 1
            if not depth:
                break
    return tuple(term.strip() for term in terms)
