"""What an engine of sagas does for whoever has written one: small enough for others to fill.

The kit's own is ``strangler.saga.running``, over the project's database.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from strangler.saga.declare import Saga
from strangler.saga.machine import State
from strangler.saga.store import Entry, Record

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Seen(Generic[D]):
    """A saga as it stood a moment ago; ``now`` says that it was this call which ended it."""

    record: Record
    data: D
    now: bool = False

    @property
    def id(self) -> UUID:
        """Its id."""
        return self.record.id

    @property
    def state(self) -> State:
        """How far it has come."""
        return self.record.state

    @property
    def cause(self) -> str:
        """The name of the error that it has turned for; empty if it has not."""
        return self.record.cause

    @property
    def reason(self) -> str:
        """What that error said."""
        return self.record.reason

    @property
    def trouble(self) -> str:
        """What the last try of the present step came to; empty if it was not tried in vain."""
        return self.record.trouble


@dataclass(frozen=True, slots=True)
class Shown:
    """All that is known of a saga."""

    record: Record
    log: list[Entry]
    locks: list[str]


class Engine(ABC):
    """Starts sagas, and sees that each of them ends."""

    @abstractmethod
    def start(self, saga: Saga[D], data: D, *, key: str, within: float | None = None) -> Seen[D]:
        """Start a saga, or go on with the one that has this key, as far as one gets now.

        Never inside a transaction. Whatever is left when this returns is done by ``resume``.

        Args:
            saga: what is to be done.
            data: what with.
            key: once for each saga of this name: the same again is the same saga, for as long as
                that is kept. What has to be done once for ever, a step knows by rows of its own.
            within: seconds after which no further step is begun; nor is one after the deadline of
                the call that is being served.

        Raises:
            NotDeclared, KeyReused, LockHeld: see each of them.
        """

    @abstractmethod
    def resume(self, saga: UUID) -> Seen[Any]:
        """Go on with a saga that is due, as far as one gets now; else it is left as it is.

        Raises:
            UnknownSaga, NotDeclared, Newer: see each of them.
        """

    @abstractmethod
    def due(self, limit: int) -> list[UUID]:
        """The sagas that nobody is at and which have something to do now."""

    @abstractmethod
    def show(self, saga: UUID) -> Shown:
        """All that is known of one.

        Raises:
            UnknownSaga: there is none.
        """

    @abstractmethod
    def retry(self, saga: UUID, *, actor: str, reason: str = "") -> Seen[Any]:
        """Go on with a saga that is stuck.

        Raises:
            UnknownSaga, NotDeclared, NotStuck, Newer: see each of them.
        """

    @abstractmethod
    def abandon(self, saga: UUID, *, actor: str, reason: str) -> Record:
        """End a saga where it stands: what it has done stays done, and its locks are let go.

        Raises:
            UnknownSaga, HasEnded, NotNow, ReasonMissing: see each of them.
        """
