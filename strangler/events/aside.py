"""What is set aside, wherever that is: in an outbox, which a bus refused, or by a consumer.

Both are seen, put back and given up alike: until somebody decides, whatever comes later of the same
aggregate waits too, in order. What a consumer has set aside belongs to whoever owns its rows: each
place says for itself what it can't do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from strangler.events import parking
from strangler.events.consumer import Consumer
from strangler.events.failing import Later, Verdict
from strangler.events.refilling import Incomplete, NoCopy, refill
from strangler.events.replayed import Gone, Replayed
from strangler.events.stores import Store, StoreError
from strangler.ports.errors import NotOwner


class Named(Protocol):
    """Wherever something may be done about events."""

    name: str


P = TypeVar("P", bound=Named)


class PlaceRefused(Exception):
    """One place can't do it: says why, and what to do."""


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has become of it in one place.

    Attributes:
        place: which.
        count: events that it has done something about; None if what was named is not there.
        refused: why it could not be done, and what to do; "" if it was.
    """

    place: str
    count: int | None = None
    refused: str = ""


class Place(ABC):
    """Where events are set aside. Each method raises what ``REFUSED`` names."""

    name: str

    @abstractmethod
    def listed(self, limit: int) -> list[Aside]:
        """What is there, aggregate by aggregate, in order."""

    @abstractmethod
    def replay(self, event: str | None = None) -> Replayed | None:
        """Try again all of this one's aggregate, or everything.

        None: it is not here.
        """

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

    def replay(self, event: str | None = None) -> Replayed | None:
        """Put it back into the outbox, where it was."""
        if event is not None and not _ours(event):
            return None
        with closing(self._connect()) as store:
            count = store.replay(event)
        return Replayed(count) if count or event is None else None

    def drop(self, event: str, *, who: str, reason: str) -> int | None:
        """Never publish it."""
        if not _ours(event):
            return None
        with closing(self._connect()) as store:
            return store.drop(event, f"{who}: {reason}")


class ConsumerPlace(Place):
    """What a consumer could not handle."""

    @abstractmethod
    def count(self) -> int:
        """How many that are."""

    @abstractmethod
    def anew(self) -> int:
        """Fill its copies of what others have anew; says how many it has."""


class InboxPlace(ConsumerPlace):
    """That of a consumer whose handlers are in this process, if its side owns the rows."""

    def __init__(self, consumer: Consumer) -> None:
        self.name = consumer.name
        self._consumer = consumer

    def owned(self) -> bool:
        """Does this side own the rows?

        Raises:
            Later: nobody can say: they are changing owner, or the database is away.
        """
        try:
            with self._consumer.inside():
                return True
        except NotOwner:
            return False
        except Later as later:
            said = "while they change owner, or their database is away"
            said = f"nobody can say who owns the rows of {self.name} {said} ({later})"
            raise Later(said, later.after) from later
        except Exception as error:
            if self._consumer.judge(error) is Verdict.LATER:
                said = f"the database of {self.name} is away ({type(error).__name__}: {error})"
                raise Later(said) from error
            raise

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

    def replay(self, event: str | None = None) -> Replayed | None:
        """Handle it now, with all that is set aside of its key."""
        if event is None:
            return parking.replay(self._consumer)
        found = parking.named(self._consumer, event)
        return None if found is None else parking.replay(self._consumer, key=found.key)

    def drop(self, event: str, *, who: str, reason: str) -> int | None:
        """Never handle it."""
        gone = parking.drop(self._consumer, event=event, reason=f"{who}: {reason}")
        return len(parking.parked(self._consumer, key=gone[0].key)) if gone else None

    def anew(self) -> int:
        """Fill its copies of what others have anew."""
        return refill(self._consumer)


class OwnersPlace(ConsumerPlace):
    """That of whichever side owns the rows now. The other one has a copy of them, or none."""

    def __init__(self, here: InboxPlace, service: ConsumerPlace) -> None:
        self.name = here.name
        self._here = here
        self._service = service

    def count(self) -> int:
        """How many that are."""
        return self._owner().count()

    def listed(self, limit: int) -> list[Aside]:
        """What is there, by key and in order."""
        return self._owner().listed(limit)

    def replay(self, event: str | None = None) -> Replayed | None:
        """Handle it where it belongs."""
        return self._owner().replay(event)

    def drop(self, event: str, *, who: str, reason: str) -> int | None:
        """Never handle it."""
        return self._owner().drop(event, who=who, reason=reason)

    def anew(self) -> int:
        """Fill its copies of what others have anew."""
        return self._owner().anew()

    def _owner(self) -> ConsumerPlace:
        return self._here if self._here.owned() else self._service


REFUSED = (Gone, Incomplete, Later, NoCopy, NotOwner, PlaceRefused, StoreError)
"""What keeps one place from doing what it is asked for, and no other."""


def each(places: Sequence[P], do: Callable[[P], int | None]) -> list[Outcome]:
    """Do it in all of these, whatever keeps one of them from it."""
    outcomes = []
    for place in places:
        try:
            outcomes.append(Outcome(place.name, do(place)))
        except REFUSED as error:
            outcomes.append(Outcome(place.name, refused=why(error)))
    return outcomes


def listed(places: Sequence[Place], limit: int) -> tuple[list[Aside], list[Outcome]]:
    """So many of what is set aside in each of these, and which of them could not say."""
    found: list[Aside] = []

    def add(place: Place) -> int:
        there = place.listed(limit)
        found.extend(there)
        return len(there)

    return found, [one for one in each(places, add) if one.refused]


def replayed(
    places: Sequence[Place], event: str | None
) -> tuple[dict[str, Replayed], list[Outcome]]:
    """Try this one's aggregate again, or everything: what has become of it, and who could not."""
    found: dict[str, Replayed] = {}

    def add(place: Place) -> int | None:
        done = place.replay(event)
        if done is None:
            return None
        found[place.name] = done
        return done.handled

    return found, [one for one in each(places, add) if one.refused]


def why(error: Exception) -> str:
    """What kept a place from it, and what to do."""
    if isinstance(error, NotOwner):
        return f"{error}; if it is changing sides, try again in a moment"
    if isinstance(error, Later):
        return f"not now: {error}; try again"
    return str(error)


def _ours(event: str) -> bool:
    """Might this be an event of an outbox?"""
    try:
        return bool(UUID(event))
    except ValueError:
        return False
