"""What both kinds of store do alike, by the statements of ``sql``."""

# ruff: noqa: D102 -- the seam says what each method does
from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from strangler.events.buses.database.schema import QUEUE
from strangler.events.envelope import PARTITIONS, Unreadable, decode, envelope
from strangler.events.leases import Held, is_gone, share
from strangler.events.stores import (
    LEASE,
    Backlog,
    Lease,
    Parked,
    Queued,
    Refusing,
    Relaying,
    Store,
    Waiting,
    sql,
)


class SqlStore(Store):
    """One connection. Every statement goes through ``_run``."""

    _ID: ClassVar[str]
    """How an event's id is read as text."""
    _PAYLOAD: ClassVar[str]
    """How its data are read as bytes."""
    _AT: ClassVar[str]
    """How the moment at which it was said is read as text."""
    _LAST: ClassVar[str]
    """The last position that was given to anybody."""
    _QUEUES: ClassVar[str]
    """Gives a row if the http bus has its queues here."""
    _ROWS: ClassVar[str] = QUEUE
    """All that is queued, in whichever order it is counted best."""
    _TYPE: ClassVar[str]
    """The type of an event that is queued."""

    @abstractmethod
    def _run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Execute one statement; gives its rows."""

    @abstractmethod
    def _changed(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Execute one statement; gives how many rows it has changed."""

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[object]:
        """Several statements, all or none."""

    @abstractmethod
    def _held(self) -> list[tuple[int, str, int, Any]]:
        """Every lease, which nobody else changes nor relies on until the transaction ends."""

    @abstractmethod
    def _now(self) -> datetime:
        """By the clock that leases are reckoned by."""

    @abstractmethod
    def _among(self, column: str, values: Collection[int]) -> tuple[str, list[Any]]:
        """The condition that a column has one of these values."""

    def _not_among(self, column: str, values: Collection[int]) -> tuple[str, list[Any]]:
        """The condition that it has another."""
        among, given = self._among(column, values)
        return f"NOT ({among})", given

    @abstractmethod
    def _moment(self, at: datetime) -> Any:
        """A moment as a value."""

    @abstractmethod
    def _read_moment(self, at: Any) -> datetime:
        """A moment as it was read."""

    @abstractmethod
    def _id(self, event: UUID) -> Any:
        """An event's id as a value."""

    def _read_id(self, event: str) -> str:
        """An event's id as it was read."""
        return event

    @abstractmethod
    def _when(self, at: str) -> str:
        """A moment that was read as text, as CloudEvents write it."""

    def attend(self, holder: str) -> list[Lease]:
        with self._transaction():
            now = self._now()
            until = self._moment(now + timedelta(seconds=LEASE))
            rows = self._held()
            if len(rows) < PARTITIONS:
                self._changed(sql.BEGIN)
                rows = self._held()
            self._changed(sql.LIVE, [holder, until])
            members = set()
            for name, ends in self._run(sql.MEMBERS):
                if self._lives(name, ends, now):
                    members.add(name)
                else:
                    self._changed(sql.DIE, [name])
            held = [Held(*row[:3], self._lives(row[1], row[3], now)) for row in rows]
            mine = share(holder, members, held)
            if mine.release:
                these, values = self._among("partition", mine.release)
                self._changed(sql.RELEASE.format(partitions=these), values)
            if mine.take:
                these, values = self._among("partition", mine.take)
                self._changed(sql.TAKE.format(partitions=these), [holder, *values])
            self._changed(sql.RENEW, [until, holder])
        tokens = {one.partition: one.token for one in held}
        taken = [Lease(number, tokens[number] + 1) for number in mine.take]
        return [Lease(number, tokens[number]) for number in mine.keep] + taken

    def _lives(self, name: str, until: Any, now: datetime) -> bool:
        return bool(name and until) and self._read_moment(until) > now and not is_gone(name)

    def leave(self, holder: str) -> None:
        with self._transaction():
            self._changed(sql.LEAVE, [holder])
            self._changed(sql.DIE, [holder])

    def read(
        self, partitions: Sequence[int], limit: int, *, but: Collection[int] = ()
    ) -> list[Waiting]:
        ours, values = self._among("partition", partitions)
        others, more = self._not_among('"position"', but)
        statement = sql.READ.format(
            id=self._ID, at=self._AT, payload=self._PAYLOAD, partitions=ours, but=others
        )
        read_id, when = self._read_id, self._when
        return [
            Waiting(
                position,
                envelope(
                    id=read_id(id_),
                    type=type_,
                    key=key,
                    version=version,
                    schema=schema,
                    at=when(at),
                    payload=payload,
                    trace=trace,
                ),
                bool(behind),
            )
            for position, id_, type_, key, version, schema, at, payload, trace, behind in self._run(
                statement, [*values, *more, limit]
            )
        ]

    def remove(self, leases: Sequence[Lease], positions: Sequence[int]) -> int:
        with self._transaction():
            ours, more = self._among("partition", self._ours(leases))
            these, values = self._among('"position"', positions)
            statement = sql.REMOVE.format(positions=these, partitions=ours)
            return self._changed(statement, [*values, *more])

    def _ours(self, leases: Sequence[Lease]) -> list[int]:
        """Those of these partitions that still are: as long as the transaction lasts."""
        return sorted(
            {row[0] for row in self._held() if row[1] and Lease(row[0], row[2]) in leases}
        )

    def park(self, leases: Sequence[Lease], refusing: Sequence[Refusing]) -> int:
        with self._transaction():
            ours, partitions = self._among("partition", self._ours(leases))
            at = self._moment(self._now())
            parked = 0
            for one in refusing:
                if one.reason is not None:
                    these, values = self._among('"position"', [one.position])
                    statement = sql.PARK.format(reason="?", positions=these, partitions=ours)
                    parked += self._changed(statement, [one.reason, at, *values, *partitions])
            these, values = self._among(
                '"position"', [one.position for one in refusing if one.reason is None]
            )
            statement = sql.PARK.format(reason=sql.FIRST, positions=these, partitions=ours)
            statement += f" AND {sql.BEHIND}"
            parked += self._changed(statement, [at, *values, *partitions])
            these, values = self._among('"position"', [one.position for one in refusing])
            self._changed(sql.UNPARK.format(positions=these), values)
            return parked

    def count(self, listeners: Mapping[str, Collection[str]] | None = None) -> int:
        queued = self._longest(listeners) if listeners else 0
        at = self._moment(self._now())
        return int(self._run(sql.COUNT.format(last=self._LAST), [queued, at])[0][0])

    def _longest(self, listeners: Mapping[str, Collection[str]]) -> int:
        """How many events wait in the longest queue; so one that is published counts once still."""
        found: Counter[str] = Counter()
        if not self._run(self._QUEUES):
            return 0
        for consumer, topic, events in self._run(sql.BY_TOPIC.format(queue=self._ROWS)):
            if topic in listeners.get(consumer, ()):
                found[consumer] += events
        return max(found.values(), default=0)

    def look(self) -> None:
        self._run(sql.OLDEST)

    def backlog(self) -> Backlog:
        now = self._now()
        parked, dropped = self._run(sql.PARKED_COUNTS)[0]
        members: dict[str, list[int]] = {
            name: [] for name, until in self._run(sql.MEMBERS) if self._lives(name, until, now)
        }
        for number, name, _, until in self._run(sql.HELD):
            if self._lives(name, until, now):
                members.setdefault(name, []).append(number)
        return Backlog(
            waiting={name: int(rows) for name, rows in self._run(sql.BY_CAPABILITY)},
            oldest=self._age(sql.OLDEST, now),
            parked=parked,
            dropped=dropped,
            relays=tuple(Relaying(name, tuple(held)) for name, held in sorted(members.items())),
            counted=self._age(sql.COUNTED, now),
        )

    def _age(self, statement: str, now: datetime) -> float | None:
        found = self._run(statement)
        return (now - self._read_moment(found[0][0])).total_seconds() if found else None

    def queues(self) -> dict[Queued, float | None]:
        if not self._run(self._QUEUES):
            return {}
        now = self._now()
        return {
            Queued(*row): _since(first, now)
            for *row, first in self._run(sql.QUEUED.format(type=self._TYPE))
        }

    def unqueue(self, consumer: str, type_: str) -> int:
        return self._changed(sql.UNQUEUE.format(type=self._TYPE), [consumer, type_])

    def parked(self, limit: int, *, dropped: bool = False) -> list[Parked]:
        return [
            Parked(self._read_id(id_), type_, key, version, reason, self._read_moment(at), said)
            for id_, type_, key, version, reason, at, said in self._run(
                sql.LIST.format(id=self._ID), [dropped, limit]
            )
        ]

    def replay(self, event: str | None = None) -> int:
        with self._transaction():
            self._held()
            return self._back(None if event is None else UUID(event))

    def _back(self, event: UUID | None) -> int:
        which = sql.EVERY if event is None else sql.OF_ITS_AGGREGATE
        values = [] if event is None else [self._id(event)]
        back, gone = (statement.format(which=which) for statement in sql.BACK)
        rows = self._changed(back, values)
        self._changed(gone, values)
        return rows

    def drop(self, event: str, why: str) -> int | None:
        found = UUID(event)
        with self._transaction():
            self._held()
            if not self._changed(sql.DROP, [why or "dropped", self._id(found)]):
                return None
            return self._back(found)

    def forget(self, days: float) -> int:
        return self._changed(sql.FORGET, [self._moment(self._now() - timedelta(days=days))])


def _since(text: str, now: datetime) -> float | None:
    """Seconds since an event was said; None if that can't be read."""
    try:
        said = datetime.fromisoformat(decode(text).time)
        return (now - said).total_seconds()
    except (Unreadable, ValueError, TypeError):
        return None
