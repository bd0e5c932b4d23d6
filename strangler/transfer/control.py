"""What a mover wants of the control plane: who owns, who may move, and where to write it down."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from strangler.transfer.backfill import Progress
from strangler.transfer.protocol import Decision

LEASE = 10.0
"""Seconds for which a lease lasts unless it is renewed."""


class NotOurs(Exception):
    """The lease is another mover's by now, or the control database says otherwise."""


class ControlAway(Exception):
    """The control database can't be used."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """A key that could not be applied, in words."""

    table: str
    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """How the rows of a capability flow, as its mover sees it. Times in seconds."""

    pending: int = 0
    oldest: float = 0.0
    """The age of the oldest dirty key."""
    lag: float | None = None
    """What 99 of 100 canary rows took to arrive, of late; None before there were enough."""
    beats: int = 0
    """Canary rows that this is said of."""
    rate: float = 0.0
    """Dirty keys that were carried per second, of late."""
    carried: int = 0
    """Dirty keys that this mover has carried in all."""
    parked: int = 0
    stuck: tuple[Stuck, ...] = ()
    """The first of those that are parked."""
    missing: tuple[str, ...] = ()
    """What should be in place and is not."""
    backfill: Progress | None = None
    writers: Mapping[tuple[str, bool], int] = field(default_factory=dict)
    """Keys that were written since the last report, by writer and whether by the door."""


class Control(ABC):
    """The control database, as far as one capability's transfer goes.

    Whoever holds the lease has its token, which grows with every holder: the databases take nothing
    from whoever comes with an older one. So two movers do no harm, lease or no lease.
    """

    token: int
    """Ours, once we hold the lease."""

    @abstractmethod
    def acquire(self) -> bool:
        """Take the lease, if it is free or has run out; whether it is ours now.

        Raises:
            ControlAway: the database can't be asked.
        """

    @abstractmethod
    def renew(self) -> None:
        """Keep the lease.

        Raises:
            NotOurs: it is lost.
            ControlAway: the database can't be asked.
        """

    @abstractmethod
    def release(self) -> None:
        """Give the lease back, if it is ours still."""

    @abstractmethod
    def wanted(self) -> bool:
        """Has somebody else asked for the lease?

        Raises:
            ControlAway: the database can't be asked.
        """

    @abstractmethod
    def decision(self) -> Decision:
        """Who owns the rows, and since which epoch.

        Raises:
            ControlAway: the database can't be asked.
        """

    @abstractmethod
    def decide(self, decision: Decision) -> None:
        """Record it: the commit point of a switch.

        Raises:
            NotOurs: the lease is lost, or somebody else has moved the capability; nothing is done.
            ControlAway: nobody knows whether it was recorded; ``decision`` says.
        """

    @abstractmethod
    def publish(self) -> None:
        """Point the routing table at what was decided."""

    @abstractmethod
    def backfilled(self) -> bool:
        """Has every row been called dirty once, on this climb?"""

    @abstractmethod
    def begin_backfill(self) -> None:
        """Every row has to be called dirty once more, and nothing that was verified counts.

        Raises:
            NotOurs: the lease is lost.
            ControlAway: the database can't be asked.
        """

    @abstractmethod
    def finish_backfill(self) -> None:
        """Every row has been."""

    @abstractmethod
    def report(self, report: Report) -> None:
        """Write down how the rows flow, and keep the lease.

        Raises:
            NotOurs: it is lost.
            ControlAway: the database can't be asked.
        """
