"""Trips: two things that are booked, one that is paid, one that is told; and callees that fail.

Each callee knows a step again by its key, and what has been undone is never done any more.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from strangler.ports.errors import ConnectionLost, DeclaredError, TimedOut, Unreachable
from strangler.saga.declare import Act, Here, Saga, Step, compensable, pivot, retriable
from strangler.saga.running import Running
from strangler.saga.store import Store

DEADLINE = 600.0
LEASE = 10.0
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Trip:
    """What a trip consists of, and what has been booked of it."""

    name: str
    booked: tuple[str, ...] = ()


class FullUp(DeclaredError):
    """There is no room left."""

    step: str


class Cancelled(DeclaredError):
    """It was undone, and is not done any more."""

    step: str


class Crash(BaseException):
    """The process has died: nothing that comes behind is done."""


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Callees:
    """What has really been done, and how the next calls will go."""

    done: dict[str, str] = field(default_factory=dict)
    """``done`` or ``undone``, by key; in the order in which that came to be."""
    effects: Counter[str] = field(default_factory=Counter)
    calls: list[str] = field(default_factory=list)
    fates: dict[str, deque[str | Callable[[], None]]] = field(default_factory=dict)
    trusted: set[str] = field(default_factory=set)
    """The steps that can't be undone: what is refused there is done by no earlier try either."""

    def will(self, call: str, *fates: str | Callable[[], None]) -> None:
        """How the next calls of ``do flight``, ``undo flight``, … end."""
        self.fates.setdefault(call, deque()).extend(fates)

    def do(self, trip: Trip, here: Here) -> Trip:
        self._call(f"do {here.step}", here, lambda: self._put(here, "done"))
        if here.step in trip.booked:
            return trip
        return replace(trip, booked=(*trip.booked, here.step))

    def undo(self, trip: Trip, here: Here) -> None:
        self._call(f"undo {here.step}", here, lambda: self._put(here, "undone"))

    def _put(self, here: Here, what: str) -> None:
        known = self.done.get(here.key)
        if known == "undone" and what == "done":
            raise Cancelled(step=here.step)
        if known != what:
            self.effects[f"{what} {here.key}"] += 1
            self.done.pop(here.key, None)
            self.done[here.key] = what

    def _call(self, call: str, here: Here, effect: Callable[[], None]) -> None:
        self.calls.append(call)
        fates = self.fates.get(call)
        fate = fates.popleft() if fates else "well"
        if callable(fate):
            fate()
            fate = "well"
        match fate:
            case "refused" if self.done.get(here.key) != "done":
                if here.step in self.trusted:
                    self.done[here.key] = "undone"
                raise FullUp(step=call)  # what it has done it answers as it did before
            case "unreachable":
                raise Unreachable(call)
            case "silent":
                raise TimedOut(call)
            case "mistaken":
                raise KeyError(call)
            case "dies before":
                raise Crash
        effect()
        match fate:
            case "lost":
                raise ConnectionLost(call)
            case "dies":
                raise Crash

    def left(self, saga: Any) -> list[str]:
        """The steps that are done, and have not been undone, in order."""
        return [
            key.partition(":")[2]
            for key, what in self.done.items()
            if what == "done" and key.startswith(f"{saga}:")
        ]


def trips(
    callees: Callees,
    *,
    local: Sequence[str] = (),
    sure: bool = False,
    abandoned: Act[Trip] | None = None,
) -> Saga[Trip]:
    """The saga; ``sure`` can undo its pivot, and these of its steps are local."""
    do, undo = callees.do, callees.undo
    callees.trusted = set() if sure else {"pay"}
    final = [FullUp, Cancelled]
    steps: list[Step[Trip]] = [
        compensable("flight", do, undo, refusals=final, local="flight" in local),
        compensable("hotel", do, undo, refusals=final, local="hotel" in local),
        pivot("pay", do, undo if sure else None, refusals=final, local="pay" in local),
        retriable("tell", do, refusals=[FullUp], local="tell" in local),
    ]
    return Saga(
        "trips.book",
        Trip,
        *steps,
        locks=lambda trip: [f"trip:{trip.name}"],
        abandoned=abandoned,
        deadline=timedelta(seconds=DEADLINE),
        lease=timedelta(seconds=LEASE),
        attempts=ATTEMPTS,
    )


@dataclass
class Office:
    """An engine with its clock and its callees; more of them share a store."""

    store: Store
    clock: Clock = field(default_factory=Clock)
    callees: Callees = field(default_factory=Callees)
    sure: bool = False
    local: Sequence[str] = ()
    abandoned: Act[Trip] | None = None

    def __post_init__(self) -> None:
        self.saga = trips(self.callees, local=self.local, sure=self.sure, abandoned=self.abandoned)
        self.engine = Running(self.store, [self.saga], clock=self.clock)

    def start(self, name: str = "ann", *, key: str = "1", within: float | None = None) -> Any:
        return self.engine.start(self.saga, Trip(name), key=key, within=within)

    def resume(self, saga: Any, *, after: float) -> Any:
        self.clock.forward(after)
        return self.engine.resume(saga)
