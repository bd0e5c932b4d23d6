"""Making the kit's tables and triggers, finding out what is missing of them, taking them away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from psycopg import sql

from strangler.ladder import Arm
from strangler.transfer.database import HEARTBEAT
from strangler.transfer.errors import Unfit
from strangler.transfer.postgres import tables, triggers
from strangler.transfer.postgres.link import Link, Marks
from strangler.transfer.postgres.locks import alter
from strangler.transfer.postgres.schema import Described
from strangler.transfer.postgres.triggers import OFF, ON, State

PATIENCE = 30.0
"""Seconds to wait for whoever is at the tables, where they are set aside or let go."""

RETIRED = "retired_"
"""What the names of tables that were set aside begin with."""

_WORDS = {ON: "on", OFF: "off", "O": "on for ordinary sessions only", "R": "on for replicas only"}
_ARGUMENTS = 3
"""Of our triggers: the capability, what it was made for, the fingerprint."""

_TRIGGERS = """
SELECT t.tgname, t.tgenabled, t.tgargs
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
 WHERE c.relname = %s AND c.relnamespace = current_schema()::regnamespace
   AND t.tgname LIKE 'strangler\\_%%'
"""
_ROLES = """
SELECT pg_get_userbyid(c.relowner), pg_has_role(c.relowner, 'USAGE'), session_user::text
  FROM pg_class c
 WHERE c.relname = %s AND c.relnamespace = current_schema()::regnamespace
"""
_FUNCTION = """
SELECT 1 FROM pg_proc WHERE proname = %s AND pronamespace = current_schema()::regnamespace
"""


def install(link: Link, *, owner: Arm, epoch: int, patience: float) -> None:
    """Make what is missing, in one transaction.

    Raises:
        Unfit: with everything that stands in its way.
        LockTimeout: somebody has not let go of a table within ``patience`` seconds.
    """
    connection = link.connection
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [tables.INSTALLING])
        found, problems = _fit(link)
        problems += _permitted(link)
        if problems:
            raise Unfit(problems)
        connection.execute("SET LOCAL client_min_messages = warning")  # "already exists, skipping"
        if any(_role(link, name) is None for name in tables.NAMES):
            connection.execute(tables.TABLES)
            connection.execute(tables.NEVER)
            connection.execute(tables.GRANTS)
            schema = sql.Identifier(link.look(HEARTBEAT).schema)
            for function in (tables.DELIVERED, tables.ASK):
                connection.execute(sql.SQL(function).format(schema=schema))
        # No step changes meanwhile what the triggers have to be.
        connection.execute(
            "SELECT FROM strangler_owner WHERE capability = %s FOR UPDATE", [link.capability]
        )
        marks = replace(link.marks() or Marks(""), mover=link.session_user())
        canary = link.look(HEARTBEAT)
        connection.execute(triggers.fence_function(canary.schema))
        statements: list[sql.Composed] = []
        for described in (canary, *found):
            connection.execute(triggers.capture_function(described, link.capability, marks.mover))
            statements += _triggers(link, described, marks)
        functions = [triggers.REFUSE]
        functions += [triggers.capture_name(one.table.name) for one in (canary, *found)]
        for function in functions:
            connection.execute(
                sql.SQL("REVOKE ALL ON FUNCTION {}() FROM PUBLIC").format(sql.Identifier(function))
            )
        if statements:
            alter(
                connection,
                statements,
                tables=link.captured,
                patience=patience,
                what="making the triggers",
            )
        connection.execute(tables.OWNER_ROW, [link.capability, link.arm, owner, epoch])


def _fit(link: Link) -> tuple[list[Described], list[str]]:
    found = []
    problems: list[str] = []
    for name in link.tables:
        try:
            described = link.look(name)
        except Unfit as unfit:
            problems += unfit.problems
            continue
        if not described.table.key:
            problems.append(f"{name}: it has no primary key, and needs one to be transferred")
        found.append(described)
    return found, problems


def _role(link: Link, name: str) -> tuple[str, bool, str] | None:
    row = link.connection.execute(_ROLES, [name]).fetchone()
    return None if row is None else (row[0], row[1], row[2])


def _permitted(link: Link) -> Iterator[str]:
    """What to grant to the mover's role, if anything."""
    me = sql.Identifier(link.session_user()).as_string(None)
    missing = dict[str, list[str]]()
    for name in (*link.tables, *tables.NAMES):
        role = _role(link, name)
        if role is not None and not role[1]:
            missing.setdefault(role[0], []).append(name)
    for owner, names in missing.items():
        grant = f"GRANT {sql.Identifier(owner).as_string(None)} TO {me}"
        yield f"{', '.join(names)}: {me} is no member of their owner {owner}: {grant}"
    row = link.connection.execute(
        "SELECT current_schema()::text, has_schema_privilege(current_schema(), 'CREATE'),"
        " current_database()::text, has_database_privilege(current_database(), 'TEMP')"
    ).fetchone()
    schema, creates, database, stages = row or ("", False, "", False)
    if not creates:
        grant = f"GRANT CREATE ON SCHEMA {sql.Identifier(schema).as_string(None)} TO {me}"
        yield f"{me} may not create the kit's tables and functions: {grant}"
    if not stages:
        grant = f"GRANT TEMPORARY ON DATABASE {sql.Identifier(database).as_string(None)} TO {me}"
        yield f"{me} may not create the temporary tables that rows are staged in: {grant}"


def states(link: Link, table: str) -> dict[str, State]:
    """The kit's triggers of a table, by name."""
    return {
        name: _state(enabled, arguments.decode().split("\0")[:-1])
        for name, enabled, arguments in link.connection.execute(_TRIGGERS, [table])
    }


def _state(enabled: str, arguments: list[str]) -> State:
    made, mark = arguments[1:] if len(arguments) == _ARGUMENTS else ("", "")
    return State(enabled, made, mark)


def _triggers(link: Link, described: Described, marks: Marks) -> Iterator[sql.Composed]:
    """What to run for the triggers of a table to be those of today; they are on as recorded."""
    there = states(link, described.table.name)
    wanted = _wanted(described, marks)
    for name, mark in triggers.marks(described, link.capability, marks.mover).items():
        if there.get(name) != State(wanted[name], wanted[name], mark):
            yield triggers.switched(
                described.table.name,
                name,
                link.capability,
                marks.mover,
                mark,
                on=wanted[name] == ON,
            )


def set_aside(link: Link) -> list[str]:
    """Rename the tables; their triggers go with them.

    Raises:
        LockTimeout: somebody is reading or writing them for too long.
    """
    connection = link.connection
    with connection.transaction():
        there = [table for table in link.tables if _role(link, table) is not None]
        statements = [
            sql.SQL("ALTER TABLE {} RENAME TO {}").format(
                sql.Identifier(table), sql.Identifier(RETIRED + table)
            )
            for table in there
            if _role(link, RETIRED + table) is None
        ]
        alter(connection, statements, tables=there, patience=PATIENCE, what="renaming the tables")
    return [RETIRED + table for table in link.tables]


def _wanted(described: Described, marks: Marks) -> dict[str, str]:
    if described.table.name == HEARTBEAT:
        return dict.fromkeys(triggers.CAPTURES, ON)
    fences = dict.fromkeys(triggers.FENCES, ON if marks.fenced else OFF)
    return fences | dict.fromkeys(triggers.CAPTURES, ON if marks.capturing else OFF)


def missing(link: Link) -> list[str]:
    """What should be there according to the owner row, and is not."""
    absent = [
        f"{name} is gone: install again" for name in tables.NAMES if _role(link, name) is None
    ]
    if len(absent) == len(tables.NAMES):
        return [f"{link.capability} is not installed here"]
    if absent:
        return absent
    marks = link.marks()
    if marks is None:
        return [f"{link.capability} is not installed here: there is no owner row"]
    problems: list[str] = []
    if not marks.owns and not marks.fenced:
        problems.append(f"{link.capability} belongs to the other side, and is not fenced here")
    for name in link.captured:
        try:
            described = link.look(name)
        except Unfit as unfit:
            problems += unfit.problems
            continue
        problems += _astray(link, described, marks)
    return problems


def _astray(link: Link, described: Described, marks: Marks) -> Iterator[str]:
    table = described.table.name
    if not described.table.key:
        yield f"{table} has no primary key any more"
        return
    there = states(link, table)
    wanted = _wanted(described, marks)
    for name, mark in triggers.marks(described, link.capability, marks.mover).items():
        found, should = there.get(name), wanted[name]
        if found is None:
            yield f"the trigger {name} of {table} is gone: install again"
        elif found.mark != mark:
            yield f"the trigger {name} of {table} is not the one of this schema: install again"
        elif found.enabled != should:
            yield (
                f"the trigger {name} of {table} is {_WORDS[found.enabled]}, and should be"
                f" {_WORDS[should]}: install again"
            )
        elif found.made != should:
            how = _WORDS[should]
            yield f"the trigger {name} of {table} was switched {how} by hand: install again"
    function = triggers.capture_name(table)
    if link.connection.execute(_FUNCTION, [function]).fetchone() is None:
        yield f"the function {function} is gone: install again"


def remove(link: Link) -> None:
    """Take triggers, functions, journal entries and the owner row away."""
    connection = link.connection
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [tables.INSTALLING])
        statements = []
        for table in link.tables:
            statements += [
                sql.SQL("DROP TRIGGER {} ON {}").format(sql.Identifier(name), sql.Identifier(place))
                for place in (table, RETIRED + table)
                for name in sorted(states(link, place))
            ]
            function = triggers.capture_name(table)
            statements.append(
                sql.SQL("DROP FUNCTION IF EXISTS {}()").format(sql.Identifier(function))
            )
        connection.execute("SET LOCAL client_min_messages = warning")
        alter(
            connection,
            statements,
            tables=link.tables,
            patience=PATIENCE,
            what="dropping the triggers",
        )
        for name in tables.NAMES:
            if _role(link, name) is not None:
                connection.execute(
                    sql.SQL("DELETE FROM {} WHERE capability = %s").format(sql.Identifier(name)),
                    [link.capability],
                )
