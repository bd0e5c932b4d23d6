"""Events of a sky, which the tests of outbox and relay say."""

from __future__ import annotations

from dataclasses import dataclass

from strangler.events.declare import event


@event("sky.star.seen", key="name")
@dataclass(frozen=True, slots=True)
class StarSeen:
    """A star was seen for the so manieth time."""

    name: str
    number: int
    light: str = ""


@event("sky.comet.gone", key="number")
@dataclass(frozen=True, slots=True)
class CometGone:
    """A comet is seen no more."""

    number: int


@event("sea.fish.caught", key="name")
@dataclass(frozen=True, slots=True)
class FishCaught:
    """Somebody else's event."""

    name: str
