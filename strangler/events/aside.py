"""What is set aside, wherever that is: in an outbox, which a bus refused, or by a consumer.

Both are seen, put back and given up alike: until somebody decides, whatever comes later of the same
aggregate waits too, in order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from strangler.events import parking
from strangler.events.consumer import Consumer
from strangler.events.stores import Store


@dataclass(frozen=True, slots=True)
class Aside:
    """One event. ``waits`` says that it is only behind another one of its aggregate."""

    place: str
    id: str
    type: str
    key: str
    version: int
    reason: str
    at: datetime
    attempts: int
    waits: bool


class Place(ABC):
    """Where events are set aside."""

    name: str

    @abstractmethod
    def listed(self, limit: int) -> list[Aside]:
        """What is there, aggregate by aggregate, in order."""

    @abstractmethod
    def replay(self, event: str | None = None) -> int:
        """Try again all of this one's aggregate, or everything; says how many went on."""

    @abstractmethod
    def drop(self, event: str, *, who: str, reason: str) -> int | None:
        """Give this one up, and let go on what is behind it: so many. None: it is not here."""


class OutboxPlace(Place):
    """What a bus has refused of one database's events."""

    def __init__(self, name: str, connect: Callable[[], Store]) -> None:
        self.name = name
        self._connect = connect

    def listed(self, limit: int) -> list[Aside]:
        """What is there, aggregate by aggregate, in order."""
        with closing(self._connect()) as store:
            return [
                Aside(
                    self.name,
                    one.id,
                    one.type,
                    one.key,
                    one.version,
                    one.reason,
                    one.at,
                    1,
                    one.waits,
                )
                for one in store.parked(limit)
            ]

    def replay(self, event: str | None = None) -> int:
        """Put it back into the outbox, where it was."""
        with closing(self._connect()) as store:
            return store.replay(event)

    def drop(self, event: str, *, who: str, reason: str) -> int | None:
        """Never publish it."""
        with closing(self._connect()) as store:
            return store.drop(event, f"{who}: {reason}")


class InboxPlace(Place):
    """What a consumer could not handle."""

    def __init__(self, consumer: Consumer) -> None:
        self.name = consumer.name
        self._consumer = consumer

    def count(self) -> int:
        """How many that are."""
        return parking.counted(self._consumer)[0]

    def listed(self, limit: int) -> list[Aside]:
        """What is there, by key and in order."""
        return [
            Aside(
                self.name,
                str(one.event),
                one.type,
                one.key.partition("/")[2],
                one.version,
                one.reason or "behind another one",
                one.at,
                one.attempts,
                not one.reason,
            )
            for one in parking.parked(self._consumer, limit=limit)
        ]

    def replay(self, event: str | None = None) -> int:
        """Handle it now, with all that is set aside of its key."""
        if event is None:
            return parking.replay(self._consumer)
        key = self._key(event)
        return 0 if key is None else parking.replay(self._consumer, key=key)

    def drop(self, event: str, *, who: str, reason: str) -> int | None:
        """Never handle it."""
        key = self._key(event)
        if key is None:
            return None
        parking.drop(self._consumer, event=event, reason=f"{who}: {reason}")
        return len(parking.parked(self._consumer, key=key))

    def _key(self, event: str) -> str | None:
        found = parking.parked(self._consumer, limit=1_000_000)
        return next((one.key for one in found if UUID(str(one.event)) == UUID(event)), None)


def replay(places: Sequence[Place], event: str | None) -> int:
    """Try again what is set aside in any of these."""
    return sum(place.replay(event) for place in places)


def drop(places: Sequence[Place], event: str, *, who: str, reason: str) -> dict[str, int]:
    """Give an event up wherever it is set aside; says where that was, and how many go on."""
    found = {place.name: place.drop(event, who=who, reason=reason) for place in places}
    return {name: behind for name, behind in found.items() if behind is not None}
