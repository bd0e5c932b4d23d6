"""What carries events from who speaks to who listens: one small interface, several buses.

Whatever the bus, this holds, and ``tests/strangler/events/buses`` asks every one for it: an event
is delivered at least once to each consumer of its topic; those of one aggregate in the order in
which they were published; what was not acknowledged comes again, to whoever takes over; and a
consumer that is slow or away holds nobody else up.

The topic of an event is the capability that says it. A consumer is known by its name: several
processes that subscribe with the same one share the work, partition by partition.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from strangler.events.envelope import Envelope

LARGEST: Final = 1_000_000
"""Bytes of an event at most, on every bus: what passes on one machine passes in production."""


class BusError(Exception):
    """A bus did not do what it was asked for.

    ::

        BusError
        ├── BusAway       it can't be reached, or broke off: nobody knows what arrived; do it again
        └── BadBus        what configures it is wrong: doing it again will not help
    """


class BusAway(BusError):
    """It can't be reached, or broke off: what was published may have arrived, or in part."""


class BadBus(BusError):
    """A URL, a right or a version: the message says what is wrong and what to write instead."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that the bus will never take, such as one that is too large, and why."""

    event: Envelope
    reason: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that was received. ``mark`` is the bus's own, by which it is acknowledged."""

    event: Envelope
    mark: object


class Bus(ABC):
    """A way to carry events. Not shared between threads; close it, or use it as a block."""

    @abstractmethod
    def publish(self, events: Sequence[Envelope]) -> Sequence[Refused]:
        """Carry these, in this order; returns once the bus will not lose them.

        An event that is refused holds no later one up: whoever publishes looks to the order.

        Raises:
            BusAway: publish all of them again, later.
        """

    @abstractmethod
    def subscribe(self, consumer: str, topics: Collection[str]) -> Subscription:
        """Receive what is said under these topics, as this consumer.

        A consumer which is new begins with the first event that the bus still has; one that
        keeps a queue for each consumer has kept nothing for it. Whoever only wants to know the
        ``backlog`` takes no part before the first ``receive``.

        Raises:
            BusAway, BadBus: see each of them.
        """

    @abstractmethod
    def close(self) -> None:
        """Let the connections go."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Subscription(ABC):
    """One process's part of what a consumer is told. Not shared between threads."""

    @abstractmethod
    def receive(self, limit: int, wait: float) -> Sequence[Delivery]:
        """The oldest events that are not acknowledged, in order for each aggregate.

        What was received and has not been acknowledged since is among them again.

        Args:
            limit: how many at most.
            wait: seconds to wait for the first one; none come if there is none.

        Raises:
            BusAway: try again later.
        """

    @abstractmethod
    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Never deliver these to this consumer again; for each aggregate the oldest first.

        A bus that remembers but a position may deliver again what came after an event that is not
        acknowledged, once another process goes on.

        Raises:
            BusAway: they may be delivered again.
        """

    @abstractmethod
    def backlog(self) -> int:
        """How many events this consumer, with all its processes, has not acknowledged.

        Raises:
            BusAway: nobody can say.
        """

    @abstractmethod
    def close(self) -> None:
        """Let others of the same consumer go on at once with what is not acknowledged."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
