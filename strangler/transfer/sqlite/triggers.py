"""The kit's tables and triggers in a SQLite file, as SQL.

The triggers are always there; the owner row decides whether they do anything, so that a flip is one
UPDATE. What the mover writes they let pass: it says so in ``strangler_origin``, inside its own
transaction, so that no other connection ever sees it said.
"""

# ruff: noqa: S608 - names are quoted, and values are bound

from __future__ import annotations

from collections.abc import Iterator

from strangler.ladder import Arm
from strangler.transfer.database import HEARTBEAT
from strangler.transfer.fence import PREFIX
from strangler.transfer.sqlite.schema import Described, Index, literal, quoted
from strangler.transfer.tables import ColumnKind


def _never(table: str, event: str) -> str:
    return f"""CREATE TRIGGER IF NOT EXISTS {table}_never_{event.lower()} BEFORE {event} ON {table}
        BEGIN SELECT RAISE(ABORT, 'a rehearsal is never committed'); END"""


TABLES = (
    """CREATE TABLE IF NOT EXISTS strangler_owner (
        capability text NOT NULL PRIMARY KEY, owner text NOT NULL, epoch integer NOT NULL,
        token integer NOT NULL DEFAULT 0, frozen bool NOT NULL DEFAULT 0,
        fenced bool NOT NULL DEFAULT 0, captured bool NOT NULL DEFAULT 0)""",
    """CREATE TABLE IF NOT EXISTS strangler_journal (
        id integer NOT NULL PRIMARY KEY AUTOINCREMENT, capability text NOT NULL, tbl text NOT NULL,
        key text NOT NULL, at datetime NOT NULL, writer text NOT NULL DEFAULT '',
        door bool NOT NULL DEFAULT 0)""",
    # Whatever asks the journal asks for one capability, oldest first: an index ends with the id.
    """CREATE INDEX IF NOT EXISTS strangler_journal_capability
        ON strangler_journal (capability)""",
    """CREATE TABLE IF NOT EXISTS strangler_parked (
        capability text NOT NULL, tbl text NOT NULL, key text NOT NULL, reason text NOT NULL,
        at datetime NOT NULL, PRIMARY KEY (capability, tbl, key))""",
    f"""CREATE TABLE IF NOT EXISTS {HEARTBEAT} (
        capability text NOT NULL PRIMARY KEY, beat bigint NOT NULL, at datetime NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS strangler_origin (
        id integer NOT NULL PRIMARY KEY CHECK (id = 1), writing bool NOT NULL)""",
    "INSERT OR IGNORE INTO strangler_origin VALUES (1, 0)",
    """CREATE TABLE IF NOT EXISTS strangler_applied (
        capability text NOT NULL PRIMARY KEY, number bigint NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS strangler_asked (
        capability text NOT NULL PRIMARY KEY, number bigint NOT NULL,
        answered bigint NOT NULL DEFAULT 0)""",
    """CREATE TABLE IF NOT EXISTS strangler_delivered (
        id integer NOT NULL PRIMARY KEY AUTOINCREMENT, capability text NOT NULL,
        rehearsal text NOT NULL, said text NOT NULL, at datetime NOT NULL)""",
    """CREATE INDEX IF NOT EXISTS strangler_delivered_rehearsal
        ON strangler_delivered (rehearsal)""",
    # A row in strangler_rehearsal refers to one that is never there, so its transaction can't be
    # committed, and nobody else ever sees it. Foreign keys can't be turned off in a transaction.
    "CREATE TABLE IF NOT EXISTS strangler_nowhere (id integer NOT NULL PRIMARY KEY)",
    """CREATE TABLE IF NOT EXISTS strangler_rehearsal (
        capability text NOT NULL PRIMARY KEY, nowhere integer NOT NULL
        REFERENCES strangler_nowhere (id) DEFERRABLE INITIALLY DEFERRED)""",
    _never("strangler_nowhere", "INSERT"),
    _never("strangler_rehearsal", "UPDATE"),
    _never("strangler_rehearsal", "DELETE"),
    """CREATE TRIGGER IF NOT EXISTS strangler_rehearsal_never_unlocked
        BEFORE INSERT ON strangler_rehearsal
        WHEN (SELECT foreign_keys FROM pragma_foreign_keys) = 0
        BEGIN SELECT RAISE(ABORT, 'a rehearsal needs PRAGMA foreign_keys = ON'); END""",
)

_NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now')"
_NOT_THE_MOVER = "NOT EXISTS (SELECT 1 FROM strangler_origin WHERE writing)"
_REHEARSED = "EXISTS (SELECT 1 FROM strangler_rehearsal)"


def triggers(capability: str, described: Described, arm: Arm) -> dict[str, str]:
    """The triggers of one of the capability's tables: name → SQL.

    On the service's side they let a rehearsal pass, and capture what it writes.
    """
    made = dict(_capture(capability, described, rehearsed=arm is Arm.SERVICE))
    for event in ("INSERT", "UPDATE", "DELETE"):
        name = _name(capability, described, f"fence_{event.lower()}")
        table = described.table.name
        made[name] = _fence(name, capability, table, event, rehearsed=arm is Arm.SERVICE)
    return made


def heartbeat(described: Described) -> dict[str, str]:
    """The triggers of the canary row's table, which all capabilities share: it is only captured."""
    return dict(_capture(None, described))


def _name(capability: str | None, described: Described, what: str) -> str:
    parts = ("strangler", capability, described.table.name, what)
    return "_".join(part for part in parts if part is not None)


def _capture(
    capability: str | None, described: Described, *, rehearsed: bool = False
) -> Iterator[tuple[str, str]]:
    old, new = _key(described, "OLD"), _key(described, "NEW")
    changed = " OR ".join(
        f"OLD.{quoted(column)} COLLATE BINARY IS NOT NEW.{quoted(column)}"
        for column in described.table.key
    )
    bodies = {
        "AFTER INSERT": [_entry(capability, described, "NEW", new)],
        "AFTER UPDATE": [
            _entry(capability, described, "NEW", new),
            _entry(capability, described, "OLD", old, f"WHERE {changed}"),
        ],
        "AFTER DELETE": [_entry(capability, described, "OLD", old)],
    }
    # A row that OR REPLACE puts in another's place takes that away without a DELETE.
    if indexes := [index for index in described.indexes if index.columns]:
        replaced = [_replaced(capability, described, index) for index in indexes]
        columns = dict.fromkeys(quoted(column) for index in indexes for column in index.columns)
        generated = any(
            described.table.columns[column].generated
            for index in indexes
            for column in index.columns
        )
        bodies["BEFORE INSERT"] = replaced
        bodies["BEFORE UPDATE" + ("" if generated else f" OF {', '.join(columns)}")] = replaced
    for event, body in bodies.items():
        row = "OLD" if event == "AFTER DELETE" else "NEW"
        name = _name(capability, described, "_".join(event.lower().split()[:2]))
        wanted = (
            f"(SELECT captured FROM strangler_owner WHERE capability = {_whose(capability, row)})"
        )
        if rehearsed:
            wanted = f"({wanted} OR {_REHEARSED})"
        condition = f"{wanted} AND {_NOT_THE_MOVER}"
        yield name, _trigger(name, event, described.table.name, condition, body)


def _trigger(name: str, event: str, table: str, condition: str, body: list[str]) -> str:
    statements = "\n".join(f"  {statement};" for statement in body)
    return (
        f"CREATE TRIGGER {quoted(name)} {event} ON {quoted(table)} FOR EACH ROW\n"
        f"WHEN {condition}\nBEGIN\n{statements}\nEND"
    )


def _whose(capability: str | None, row: str) -> str:
    return f"{row}.capability" if capability is None else literal(capability)


def _key(described: Described, row: str) -> str:
    values = []
    for column in described.table.key:
        value = f"{row}.{quoted(column)}" if row else quoted(column)
        if column == described.rowid:
            values.append(value)
        elif described.table.columns[column].kind is ColumnKind.BYTES:
            values.append(f"hex({value})")
        else:  # json_array refuses a blob, and nobody's write may fail for that
            values.append(f"CASE typeof({value}) WHEN 'blob' THEN hex({value}) ELSE {value} END")
    return f"json_array({', '.join(values)})"


def _entry(capability: str | None, described: Described, row: str, key: str, rest: str = "") -> str:
    whose, table = _whose(capability, row), literal(described.table.name)
    return (
        "INSERT INTO strangler_journal (capability, tbl, key, at) "
        f"SELECT {whose}, {table}, {key}, {_NOW} {rest}"
    ).rstrip()


def _replaced(capability: str | None, described: Described, index: Index) -> str:
    new = ", ".join(f"NEW.{quoted(name)} AS {quoted(name)}" for name in described.table.columns)
    same = " AND ".join(
        f"{term} = (SELECT {term} FROM (SELECT {new}) AS strangler_new)" for term in index.terms
    )
    rest = f"FROM {quoted(described.table.name)} WHERE {same}"
    return _entry(capability, described, "NEW", _key(described, ""), rest)


def _fence(name: str, capability: str, table: str, event: str, *, rehearsed: bool) -> str:
    said = f"{PREFIX}{table} is {capability}'s, and"
    messages = {
        "frozen": f"{said} is changing owner at this moment: nobody writes it; try again",
        **{
            f"owner = {literal(arm)}": (
                f"{said} the owner is the {arm}: it is written there, not here"
            )
            for arm in Arm
        },
    }
    cases = " ".join(
        f"WHEN {condition} THEN RAISE(ABORT, {literal(message)})"
        for condition, message in messages.items()
    )
    mine = f"FROM strangler_owner WHERE capability = {literal(capability)}"
    condition = f"(SELECT fenced {mine}) AND {_NOT_THE_MOVER}"
    if rehearsed:
        condition += f" AND NOT {_REHEARSED}"
    body = f"SELECT CASE {cases} ELSE RAISE(ABORT, {literal(said + ' fenced')}) END {mine}"
    return _trigger(name, f"BEFORE {event}", table, condition, [body])
