"""A database that speaks, as the relay sees it: its outbox, who relays what, what is parked.

``postgres`` and ``sqlite`` are siblings behind this seam, on the drivers alone. The tables are the
kit's, one set in each database; Django's migrations or SQLAlchemy's metadata make them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from strangler.events.envelope import Envelope

BEHIND = "behind version "
"""So begins why an event is parked of which nothing was refused; then comes what was."""
LEASE = 5.0
"""Seconds that a partition stays a relay's which does not renew it."""


class StoreError(Exception):
    """A speaker's database did not do what it was asked for.

    ::

        StoreError
        ├── StoreAway     it can't be reached, or broke off: nobody knows what was committed
        ├── Unprepared    it has not the kit's tables, or not as they should be
        └── Superseded    another relay has the partition by now
    """


class StoreAway(StoreError):
    """It can't be reached, or broke off, or others hold its locks."""


class Unprepared(StoreError):
    """It has not the kit's tables: the message says what makes them."""


class Superseded(StoreError):
    """Another relay has the partition by now."""


class Lease(NamedTuple):
    """A partition that is ours for a while. The token grows with every holder."""

    partition: int
    token: int


class Waiting(NamedTuple):
    """An event that waits to be published, or is ``behind`` one of its aggregate that is parked."""

    position: int
    event: Envelope
    behind: bool


class Refusing(NamedTuple):
    """An event that is to be parked, and why; without a reason only if it is behind another."""

    position: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class Parked:
    """An event that is set aside until somebody decides. ``dropped`` says who did, and why."""

    id: str
    type: str
    key: str
    version: int
    reason: str
    at: datetime
    dropped: str

    @property
    def waits(self) -> bool:
        """Is it only behind another one?"""
        return self.reason.startswith(BEHIND)


class Queued(NamedTuple):
    """So many events of a type wait for a consumer in the http bus's queues."""

    consumer: str
    type: str
    events: int


@dataclass(frozen=True, slots=True)
class Relaying:
    """Who relays, and which partitions."""

    holder: str
    partitions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much waits, since when (seconds), by capability; and who sees to it."""

    waiting: dict[str, int]
    oldest: float | None
    parked: int
    dropped: int
    relays: tuple[Relaying, ...]
    counted: float | None
    """Seconds since a relay has counted."""


class Store(ABC):
    """One connection. Not shared between threads.

    Every method raises ``StoreAway`` or ``Unprepared``; those that take leases do nothing for a
    partition whose lease is another's by now.
    """

    @abstractmethod
    def attend(self, holder: str) -> list[Lease]:
        """Say that this relay lives, keep its leases, and give and take for fair shares.

        Returns the leases that are ours from now on, for ``LEASE`` seconds.
        """

    @abstractmethod
    def leave(self, holder: str) -> None:
        """Give everything back at once."""

    @abstractmethod
    def read(
        self, partitions: Sequence[int], limit: int, *, but: Collection[int] = ()
    ) -> list[Waiting]:
        """The oldest rows of these partitions at one moment, but for these positions."""

    @abstractmethod
    def remove(self, leases: Sequence[Lease], positions: Sequence[int]) -> int:
        """They are published; returns how many of them were there, and under these leases."""

    @abstractmethod
    def park(self, leases: Sequence[Lease], refusing: Sequence[Refusing]) -> int:
        """Set these aside; returns how many were. One that is behind nobody stays where it is."""

    @abstractmethod
    def count(self, listeners: Mapping[str, Collection[str]] | None = None) -> int:
        """Write down how many events wait, for publishers to know; returns it.

        Args:
            listeners: whom the http bus tells what is said under which topics. What waits in the
                longest of their queues counts, too.
        """

    @abstractmethod
    def look(self) -> None:
        """Is there an outbox? On PostgreSQL, nothing is missed before it is asked for."""

    @abstractmethod
    def backlog(self) -> Backlog:
        """How everything stands."""

    @abstractmethod
    def queues(self) -> dict[Queued, float | None]:
        """The same as ``queued``, with the seconds since the first of each was said."""

    def queued(self) -> list[Queued]:
        """What waits in the http bus's queues, by consumer and type; nothing where are none."""
        return list(self.queues())

    @abstractmethod
    def unqueue(self, consumer: str, type_: str) -> int:
        """Never hand these over; says how many there were."""

    @abstractmethod
    def parked(self, limit: int, *, dropped: bool = False) -> list[Parked]:
        """What was set aside, aggregate by aggregate, in order."""

    @abstractmethod
    def replay(self, event: str | None = None) -> int:
        """Put back where they were all parked events of this one's aggregate, or of every one."""

    @abstractmethod
    def drop(self, event: str, why: str) -> int | None:
        """Never tell this one; put what is behind it back, and say how many. None: not parked."""

    @abstractmethod
    def forget(self, days: float) -> int:
        """Delete what was dropped longer ago."""

    @abstractmethod
    def close(self) -> None:
        """Hang up; leases run out."""
