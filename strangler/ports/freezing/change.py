"""One difference between two contracts, and who may be deployed first because of it.

In a request the provider reads what callers write: it may accept more (wider). In a response
callers read what the provider writes: it may add fields, and otherwise only say less (narrower).
So this side may be deployed first:

===========  ==================  ==================
the schema   in a request        in a response
===========  ==================  ==================
wider        provider first      callers first
narrower     callers first       provider first
both         not in one step     not in one step
===========  ==================  ==================

A change is compatible if the provider may go first, because then nobody who relies on the old
contract is broken.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum


class Direction(StrEnum):
    """Who reads: the provider reads requests, callers read responses, listeners read events."""

    REQUEST = "request"
    RESPONSE = "response"
    EVENT = "event"


class Order(StrEnum):
    """Which side is deployed first, so that at no time anything breaks."""

    ANY = "in any order"
    PROVIDER_FIRST = "provider first, then callers"
    CALLERS_FIRST = "callers first, then provider"
    STEPS = "not in one step: add a new method, move callers, remove the old"
    LISTENERS_FIRST = "listeners first, then who says it"
    SCHEMA = "listeners can't read what was said before: raise its schema, with an upcaster"


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """One difference between two contracts.

    Attributes:
        where: the place in words: ``pricing.quote(lines)[].quantity``.
        what: what is different: ``minimum 1 became 2``.
        direction: in what is sent, or in what is answered.
        compatible: whoever relies on the old contract is served by the new one.
        order: the safe order of deployments.
    """

    where: str
    what: str
    direction: Direction
    compatible: bool
    order: Order

    def __str__(self) -> str:
        return f"{self.where}: {self.what} (in the {self.direction}; {self.order})"


class Effect(StrEnum):
    """What a change does to the set of values."""

    WIDER = "wider"
    NARROWER = "narrower"
    DIFFERENT = "different"


def change(
    where: str, what: str, direction: Direction, *, provider_first: bool, callers_first: bool
) -> Change:
    """A change, judged by which side may be deployed before the other."""
    order = {
        (True, True): Order.ANY,
        (True, False): Order.PROVIDER_FIRST,
        (False, True): Order.CALLERS_FIRST,
        (False, False): Order.STEPS,
    }[provider_first, callers_first]
    return Change(where, what, direction, provider_first, order)


def judged(where: str, what: str, direction: Direction, effect: Effect) -> Change:
    """A change of what values there are, judged by its effect."""
    request = direction is Direction.REQUEST
    return change(
        where,
        what,
        direction,
        provider_first=effect is (Effect.WIDER if request else Effect.NARROWER),
        callers_first=effect is (Effect.NARROWER if request else Effect.WIDER),
    )
