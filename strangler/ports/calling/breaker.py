"""The circuit breaker: whoever keeps failing is left alone for a while.

::

    closed ──failures in a row──▶ open ──reset seconds──▶ half-open ──probe answered──▶ closed
                                   ▲                          │
                                   └───────probe failed───────┘

``Circuit`` is the machine, pure; ``Breaker`` is one that threads and tasks share.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from strangler.manifest.model import Breaker as Limits
from strangler.ports import forks


class State(StrEnum):
    """Closed lets every call through, open none, half-open one at a time to see."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Circuit:
    """Where a breaker stands. ``since`` is when it opened, or when the last probe went out."""

    state: State = State.CLOSED
    failures: int = 0
    since: float = 0.0

    def admit(self, limits: Limits, now: float) -> Circuit | None:
        """Where it stands if a call goes out now, None if none may.

        A probe that never came back stops counting after another ``reset`` seconds.
        """
        if self.state is State.CLOSED:
            return self
        if now - self.since < limits.reset:
            return None
        return replace(self, state=State.HALF_OPEN, since=now)

    def succeeded(self) -> Circuit:
        """A call was answered. Whatever was sent before it opened proves nothing."""
        return self if self.state is State.OPEN else Circuit()

    def failed(self, limits: Limits, now: float) -> Circuit:
        """A call failed in a way that counts."""
        if self.state is State.OPEN:
            return self
        failures = self.failures + 1
        if self.state is State.HALF_OPEN or failures >= limits.failures:
            return Circuit(State.OPEN, failures, now)
        return replace(self, failures=failures)

    def undecided(self, limits: Limits) -> Circuit:
        """A call ended in a way that says nothing: the next one may probe at once."""
        if self.state is State.HALF_OPEN:
            return replace(self, since=self.since - limits.reset)
        return self


_CLOSED = Circuit()


class Breaker:
    """The breaker of one arm of one capability, shared by threads and tasks; it never waits."""

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._circuit = _CLOSED
        self.after_fork()
        forks.watch(self)

    def after_fork(self) -> None:
        """What the parent has learned stays; the lock is the child's own."""
        self._lock = threading.Lock()

    @property
    def state(self) -> State:
        """Where it stands; open also when its time is up and nobody has called yet."""
        return self._circuit.state

    def admits(self) -> bool:
        """May a call go out now? Whoever hears yes says afterwards how it ended."""
        if self._circuit.state is State.CLOSED:
            return True
        with self._lock:
            admitted = self._circuit.admit(self.limits, self._clock())
            if admitted is None:
                return False
            self._circuit = admitted
            return True

    def succeeded(self) -> None:
        """The call was answered."""
        if self._circuit is not _CLOSED:
            with self._lock:
                after = self._circuit.succeeded()
                self._circuit = _CLOSED if after == _CLOSED else after

    def failed(self) -> None:
        """The call failed in a way that counts."""
        with self._lock:
            self._circuit = self._circuit.failed(self.limits, self._clock())

    def undecided(self) -> None:
        """The call ended in a way that says nothing about the other side."""
        if self._circuit.state is not State.CLOSED:
            with self._lock:
                self._circuit = self._circuit.undecided(self.limits)
