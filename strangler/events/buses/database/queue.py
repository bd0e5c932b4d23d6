"""The queues of one database, as both kinds of database keep them; one connection."""

# ruff: noqa: S608 - names are the kit's, and values are bound

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, TypeVar

from strangler.events.buses.database.schema import LEASE, QUEUE, READER
from strangler.events.buses.shares import Leases, Standing

T = TypeVar("T")


class Slot(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Waiting(NamedTuple):
    """A row of a consumer's queue."""

    position: int
    slot: Slot
    envelope: str


class Queue(ABC):
    """What is asked of a database. Each call connects if need be, and makes missing tables."""

    clock: str
    """The present in seconds, as an expression."""
    type: str
    """The type of a row's event, likewise; NULL for what can't be read."""

    @abstractmethod
    def rows(self, sql: str, given: Sequence[Any] = ()) -> list[Any]:
        """Run one statement, whose parameters are ``?``, and give its rows.

        Raises:
            BusAway, BadBus: see each of them.
        """

    @abstractmethod
    def writing(self) -> AbstractContextManager[None]:
        """A transaction of several statements.

        Raises:
            BusAway, BadBus: see each of them.
        """

    @abstractmethod
    def put(self, rows: Sequence[tuple[str, str, int, str]]) -> None:
        """Insert consumer, topic, partition and envelope of each, in this order, in one step.

        Raises:
            BusAway, BadBus: see each of them.
        """

    @abstractmethod
    def read(
        self, consumer: str, slots: Sequence[Slot], limit: int, *, but: Collection[str] = ()
    ) -> list[Waiting]:
        """The oldest rows of these, slot by slot, until there are enough; none of these types.

        Raises:
            BusAway, BadBus: see each of them.
        """

    @abstractmethod
    def delete(self, positions: Sequence[int]) -> None:
        """Take these out.

        Raises:
            BusAway, BadBus: see each of them.
        """

    @abstractmethod
    def close(self) -> None:
        """Hang up."""

    def some(self, consumer: str) -> bool:
        """Does anything wait for this consumer?"""
        return bool(self.rows(f"SELECT 1 FROM {QUEUE} WHERE consumer = ? LIMIT 1", (consumer,)))

    def present(self, positions: Sequence[int]) -> set[int]:
        """Which of these are there."""
        marks = ", ".join("?" * len(positions))
        sql = f"SELECT position FROM {QUEUE} WHERE position IN ({marks})"
        return {row[0] for row in self.rows(sql, positions)} if positions else set()

    def count(self, consumer: str, topics: Collection[str]) -> dict[str, int]:
        """How much waits for it under these topics, by type."""
        marks = ", ".join("?" * len(topics))
        sql = (
            f"SELECT coalesce({self.type}, ''), count(*) FROM {QUEUE} "
            f"WHERE consumer = ? AND topic IN ({marks}) GROUP BY 1"
        )
        return dict(self.rows(sql, (consumer, *topics))) if topics else {}


class QueueLeases(Leases):
    """A consumer's leases, in tables beside its queue."""

    def __init__(self, queue: Queue, consumer: str, me: str, seconds: float) -> None:
        self.me = me
        self._queue = queue
        self._consumer = consumer
        self._seconds = seconds

    def look(self) -> Standing:
        """Be there, and see who else is."""
        queue, consumer, now = self._queue, self._consumer, self._queue.clock
        with queue.writing():
            queue.rows(
                f"INSERT INTO {READER} (consumer, holder, until) VALUES (?, ?, {now} + ?) "
                "ON CONFLICT (consumer, holder) DO UPDATE SET until = excluded.until",
                (consumer, self.me, self._seconds),
            )
            queue.rows(f"DELETE FROM {READER} WHERE consumer = ? AND until <= {now}", (consumer,))
        there = queue.rows(f"SELECT holder FROM {READER} WHERE consumer = ?", (consumer,))
        held = queue.rows(f"SELECT partition, holder FROM {LEASE} WHERE consumer = ?", (consumer,))
        return Standing({row[0] for row in there}, {str(row[0]): row[1] for row in held})

    def take(self, names: Sequence[str]) -> Collection[str]:
        """Hold these, as far as nobody does who is there."""
        queue = self._queue
        marks = ", ".join("(?, ?, ?)" for _ in names)
        given = [value for name in names for value in (self._consumer, int(name), self.me)]
        taken = queue.rows(
            f"INSERT INTO {LEASE} AS held (consumer, partition, holder) VALUES {marks} "
            "ON CONFLICT (consumer, partition) DO UPDATE SET holder = excluded.holder "
            f"WHERE NOT EXISTS (SELECT 1 FROM {READER} AS r WHERE r.consumer = held.consumer "
            f"AND r.holder = held.holder AND r.until > {queue.clock}) RETURNING partition",
            given,
        )
        return {str(row[0]) for row in taken}

    def leave(self, names: Sequence[str]) -> None:
        """Hold these no more."""
        marks = ", ".join("?" * len(names))
        self._queue.rows(
            f"DELETE FROM {LEASE} WHERE consumer = ? AND holder = ? AND partition IN ({marks})",
            (self._consumer, self.me, *map(int, names)),
        )

    def quit(self) -> None:
        """Hold nothing, and be there no more."""
        for table in (LEASE, READER):
            self._queue.rows(
                f"DELETE FROM {table} WHERE consumer = ? AND holder = ?", (self._consumer, self.me)
            )
