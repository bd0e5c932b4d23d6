"""What a store keeps of sagas, and what it promises.

Every write names what it has read before: the token of the lease, which grows with every holder,
and how long the log was. If either is another by now, nothing is written. So whoever was taken over
can write nothing, however late it wakes up; and a write of which nobody knows whether it came
through is not made twice.

Times are seconds since the epoch, by the clock of whoever writes. Clocks say when somebody takes
over, never whether two may write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from strangler.saga.machine import Event, Standing, State

_BEGUN = Standing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that is kept of one saga, but its log.

    Attributes:
        given: the data that it was started with; ``data`` is what its steps have made of that.
        steps: the names of its steps, as it was started with.
        cause: the declared error that it has turned for, or ``DeadlinePassed``; ``reason`` is what
            that said, and may be shown to whoever asked for the saga.
        trouble: what the last try came to, if that was nothing; for operators alone.
        deadline: when it turns, if it has not passed its pivot.
        due: from when on anybody may go on with it; None once nobody will.
        holder: who is at it; empty while nobody is.
        context: for whom it is done.
        ended: when it did; None while it has not.
        entries: how long its log is.
    """

    id: UUID
    name: str
    key: str
    given: str
    data: str
    steps: tuple[str, ...]
    deadline: float
    started: float
    changed: float
    standing: Standing = _BEGUN
    cause: str = ""
    reason: str = ""
    trouble: str = ""
    due: float | None = None
    holder: str = ""
    token: int = 1
    entries: int = 0
    context: str = "{}"
    ended: float | None = None

    @property
    def state(self) -> State:
        """How far it has come."""
        return self.standing.state

    @property
    def step(self) -> str | None:
        """The step that it is at; None once it has ended."""
        return None if self.state.ended else self.steps[self.standing.at]

    def late(self, now: float) -> bool:
        """Its deadline has passed, and it goes forward all the same."""
        return self.state is State.RUNNING and now >= self.deadline


@dataclass(frozen=True, slots=True)
class Entry:
    """What has happened to a saga: one line of its log, which is never changed."""

    number: int
    at: float
    step: str
    event: Event
    state: State
    """After it."""
    attempt: int
    token: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be written at once: the saga as it is afterwards, and what its log gains."""

    after: Record
    entries: tuple[Entry, ...] = ()


class KeyTaken(Exception):
    """There is a saga of this name with this key."""


class Store(Protocol):
    """Where sagas are kept. Each write is a transaction of its own, and never part of another."""

    def create(self, change: Change, locks: Sequence[str]) -> None:
        """Keep a new saga, with its locks.

        Raises:
            KeyTaken: there is one of this name with this key.
            LockHeld: another saga, which has not ended, holds one of them.
        """

    def read(self, saga: UUID) -> Record:
        """One saga.

        Raises:
            UnknownSaga: there is none.
        """

    def find(self, name: str, key: str) -> Record | None:
        """The saga of this name with this key."""

    def log(self, saga: UUID) -> list[Entry]:
        """What has happened to it, in order."""

    def locks(self, saga: UUID) -> list[str]:
        """What it holds."""

    def write(self, before: Record, change: Change) -> None:
        """Write down what has happened; a saga that has ended lets its locks go.

        Raises:
            TakenOver: it is not as it was any more.
        """

    def write_with(self, before: Record, work: Callable[[], Change]) -> Record:
        """The same in the transaction in which ``work`` is done; the saga as it is afterwards.

        Raises:
            TakenOver: it was not as it was any more before ``work`` began.
            Exception: whatever ``work`` raises; then nothing of it is there.
        """

    def due(self, now: float, limit: int) -> list[UUID]:
        """Those which anybody may go on with now, the longest overdue first."""

    def claim(self, now: float, *, holder: str, until: float) -> Record | None:
        """Take one of them; None if there is none, or others are at all of them."""

    def prune(self, before: float, limit: int) -> int:
        """Forget at most so many that ended before, the first to end first, with their logs.

        One that has not ended, or holds a lock, is never forgotten. How many were.
        """

    def listed(
        self, *, states: Sequence[State] = (), name: str | None = None, limit: int = 100
    ) -> list[Record]:
        """Some of them, the youngest first."""
