"""The statements that read and write a consumer's two tables (``strangler.events.inbox``).

They are the same under Django and SQLAlchemy, which each bring a ``Ledger``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol

from strangler.events.envelope import Envelope, encode
from strangler.events.failing import Verdict
from strangler.events.inbox import KEY, REASON, Parked, key, name, names, plain, version

Dialect = Literal["postgresql", "sqlite"]
Execute = Callable[[str, Sequence[Any]], Sequence[tuple[Any, ...]]]
"""Runs one statement, whose places are ``%s``; gives the rows, if it has any."""

_ROWS: Final = 100
"""That one statement inserts."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The names of a consumer's two tables."""

    inbox: str
    parked: str


class Ledger(Protocol):
    """A consumer's tables in the database of its capability. Shared by threads."""

    def transaction(self) -> AbstractContextManager[Book]:
        """One transaction, committed at the end; what handlers write inside is part of it.

        Raises at its end what has kept it from being committed, and never ends quietly without.
        """

    def reading(self) -> AbstractContextManager[Book]:
        """The tables as they are at this moment, to look at."""

    def verdict(self, error: BaseException) -> Verdict | None:
        """What an error of this database's means; None for one that is none of its."""


class Book:
    """The two tables, within one transaction."""

    def __init__(self, execute: Execute, tables: Tables, dialect: Dialect) -> None:
        self._execute = execute
        self._postgres = dialect == "postgresql"
        self._parts = {
            "inbox": f'"{tables.inbox}"',
            "parked": f'"{tables.parked}"',
            "among": "= ANY(%s)" if self._postgres else "IN (SELECT value FROM json_each(%s))",
        }

    def remember(self, events: Sequence[Envelope]) -> set[str]:
        """Take note of these; says which of them (as ``name`` names them) are new.

        Waits for whoever is taking the same ones at this moment.
        """
        names = sorted({name(event) for event in events})  # one order: nobody waits in a ring
        if self._postgres:
            rows = self._run(
                "INSERT INTO {inbox} (event, at) SELECT unnest(%s::text[]), %s "
                "ON CONFLICT DO NOTHING RETURNING event",
                [names, _now()],
            )
        else:
            rows = self._run(
                "INSERT INTO {inbox} (event, at) SELECT value, %s FROM json_each(%s) WHERE true "
                "ON CONFLICT DO NOTHING RETURNING event",
                [self._time(_now()), json.dumps(names)],
            )
        return {row[0] for row in rows}

    def forget(self, names: Collection[str]) -> None:
        """These are new again."""
        self._run("DELETE FROM {inbox} WHERE event {among}", [self._list(names)])

    def waiting(self, keys: Collection[str]) -> set[str]:
        """The keys among these that have an event set aside.

        Until the transaction ends, the last one of each stays: what is put behind it is found.
        """
        if self._postgres:
            statement = (
                "SELECT p.key FROM unnest(%s::text[]) AS k(key) CROSS JOIN LATERAL ("
                "SELECT q.key FROM {parked} AS q WHERE q.key = k.key "
                "ORDER BY q.version DESC, q.event DESC LIMIT 1 FOR KEY SHARE) AS p"
            )
        else:
            statement = (
                "SELECT k.value FROM json_each(%s) AS k WHERE EXISTS "
                "(SELECT 1 FROM {parked} AS q WHERE q.key = k.value)"
            )
        return {row[0] for row in self._run(statement, [self._list(keys)])}

    def put_behind(self, events: Sequence[Envelope]) -> None:
        """Set these aside, behind others of their keys."""
        for start in range(0, len(events), _ROWS):
            self._set_aside(events[start : start + _ROWS], "", 0, None)

    def park(self, event: Envelope, *, reason: str, due: datetime | None) -> None:
        """Set this one aside, the first of its key, until then; None gives it up."""
        self._set_aside([event], reason, 1, due)

    def _set_aside(
        self, events: Sequence[Envelope], reason: str, attempts: int, due: datetime | None
    ) -> None:
        since = [plain(reason)[:REASON], attempts, self._time(due), self._time(_now())]
        places = ", ".join(["(%s, %s, %s, %s, %s, %s, %s, %s, %s)"] * len(events))
        values: list[Any] = []
        for event in events:
            kind = plain(event.type)[:KEY]
            values += [name(event), key(event), version(event), kind, encode(event).decode()]
            values += since
        self._run(
            "INSERT INTO {parked} "
            "(event, key, version, type, envelope, reason, attempts, due, at) VALUES {places}",
            values,
            places=places,
        )

    def due(self, limit: int) -> list[str]:
        """The keys whose first event is to be tried again now, those due for longest first."""
        rows = self._run(
            "SELECT key FROM {parked} WHERE due <= %s ORDER BY due LIMIT %s",
            [self._time(_now()), limit],
        )
        return list(dict.fromkeys(row[0] for row in rows))

    def first(self, key: str, limit: int, *, given_up: bool = False) -> list[Parked]:
        """The first events that are set aside of a key, and nobody else tries meanwhile.

        None where somebody else tries them, or the first is not due; unless ``given_up``, which
        takes it whenever it is due.
        """
        heads = self._read("WHERE key = %s ORDER BY version, event LIMIT 1", [key])
        if not heads:
            return []
        if self._postgres:
            heads = self._read("WHERE event = %s FOR UPDATE SKIP LOCKED", [heads[0].event])
        else:  # whoever writes is alone
            self._run(
                "UPDATE {parked} SET due = due WHERE event = %s",
                [heads[0].event],
            )
            heads = self._read("WHERE event = %s", [heads[0].event])
        if not heads or not (given_up or (heads[0].due is not None and heads[0].due <= _now())):
            return []
        return self._read("WHERE key = %s ORDER BY version, event LIMIT %s", [key, limit])

    def free(self, parked: Sequence[Parked]) -> list[Parked]:
        """These, the first of a key, have been handled or dropped; the next one is due at once.

        Says which of them were there still.
        """
        rows = self._run(
            "DELETE FROM {parked} WHERE event {among} RETURNING event",
            [self._list([one.event for one in parked])],
        )
        gone = {row[0] for row in rows}
        freed = [one for one in parked if one.event in gone]
        for one in {one.key for one in freed}:
            self.wake(one)
        return freed

    def drop(self, parked: Sequence[Parked]) -> list[Parked]:
        """Forget these; says which of them nobody has handled, or dropped, meanwhile.

        Waits for whoever tries their keys at this moment.
        """
        for one in sorted({one.key for one in parked}):
            self._hold(one)
        return self.free(parked)

    def _hold(self, key: str) -> None:
        """Have the first of a key to oneself, and so all that is behind it."""
        lock = "UPDATE {parked} SET due = due WHERE event = %s RETURNING event"
        if self._postgres:
            lock = "SELECT event FROM {parked} WHERE event = %s FOR UPDATE"
        while heads := self._read("WHERE key = %s ORDER BY version, event LIMIT 1", [key]):
            if self._run(lock, [heads[0].event]):
                return

    def wake(self, key: str) -> None:
        """The first of a key is due at once, and has all its attempts before it."""
        self._run(
            "UPDATE {parked} SET due = %s, attempts = 0 WHERE event IN "
            "(SELECT event FROM {parked} WHERE key = %s ORDER BY version, event LIMIT 1)",
            [self._time(_now()), key],
        )

    def failed(self, one: Parked, *, reason: str, due: datetime | None) -> None:
        """It has been tried once more."""
        self._run(
            "UPDATE {parked} SET attempts = %s, reason = %s, due = %s WHERE event = %s",
            [one.attempts + 1, plain(reason)[:REASON], self._time(due), one.event],
        )

    def put_off(self, one: Parked, *, due: datetime) -> None:
        """It is tried again then, and has not been tried."""
        self._run(
            "UPDATE {parked} SET due = %s WHERE event = %s AND due IS NOT NULL",
            [self._time(due), one.event],
        )

    def keys(self) -> dict[str, int]:
        """The keys that have events set aside, and how many each has."""
        rows = self._run("SELECT key, count(*) FROM {parked} GROUP BY key ORDER BY key", [])
        return {row[0]: int(row[1]) for row in rows}

    def left(self, key: str) -> tuple[int, int]:
        """How many events are set aside of a key, and how often the first was tried since."""
        rows = self._run(
            "SELECT (SELECT count(*) FROM {parked} WHERE key = %s), attempts FROM {parked} "
            "WHERE key = %s ORDER BY version, event LIMIT 1",
            [key, key],
        )
        return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)

    def listed(self, limit: int, *, key: str | None = None) -> list[Parked]:
        """What is set aside, by key and in order."""
        if key is None:
            return self._read("ORDER BY key, version, event LIMIT %s", [limit])
        return self._read("WHERE key = %s ORDER BY version, event LIMIT %s", [key, limit])

    def named(self, event: str) -> list[Parked]:
        """The event of this id, if it is set aside."""
        return self._read("WHERE event {among}", [self._list(names(event))])

    def counted(self) -> tuple[int, int]:
        """How many events are set aside, and how many of them have been given up."""
        rows = self._run(
            "SELECT count(*), coalesce(sum(CASE WHEN due IS NULL AND attempts > 0 "
            "THEN 1 ELSE 0 END), 0) FROM {parked}",
            [],
        )
        return int(rows[0][0]), int(rows[0][1])

    def prune(self, before: datetime, limit: int) -> int:
        """Forget so many events that were taken before then; says how many there were."""
        rows = self._run(
            "DELETE FROM {inbox} WHERE event IN (SELECT event FROM {inbox} "
            "WHERE at < %s ORDER BY at LIMIT %s) RETURNING event",
            [self._time(before), limit],
        )
        return len(rows)

    def sound(self) -> None:
        """Is the transaction one that can be committed? A statement's error may be swallowed.

        Raises whatever the database says.
        """
        self._run("SELECT 1", [])

    def _read(self, which: str, parameters: Sequence[Any]) -> list[Parked]:
        rows = self._run(
            "SELECT event, key, version, type, envelope, reason, attempts, due, at "
            "FROM {parked} {which}",
            parameters,
            which=which,
        )
        return [Parked(*(*row[:7], _read(row[7]), _read(row[8]))) for row in rows]

    def _run(
        self, statement: str, parameters: Sequence[Any], **parts: str
    ) -> Sequence[tuple[Any, ...]]:
        """Run a statement; in braces stand the tables' names, and parts that are written here."""
        for part, meant in {**parts, **self._parts}.items():
            statement = statement.replace(f"{{{part}}}", meant)
        return self._execute(statement, parameters)

    def _list(self, values: Iterable[str]) -> Any:
        return list(values) if self._postgres else json.dumps(list(values))

    def _time(self, moment: datetime | None) -> Any:
        """SQLite has text, without a zone, as Django and SQLAlchemy write it."""
        if moment is None or self._postgres:
            return moment
        return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _now() -> datetime:
    return datetime.now(UTC)


def _read(value: Any) -> datetime | None:
    if value is None:
        return None
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
