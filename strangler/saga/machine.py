"""What becomes of a saga, step by step. Pure: no I/O and no clock.

``TRANSITIONS`` is the whole of it as data; the engine, the pictures in the documentation and the
exhaustive model test all read that table.

A saga goes forward over its steps: first those that can be undone, then its pivot, the point of no
return, then those that succeed if they are only tried often enough. Before the pivot is done it may
turn, and goes back: what was done, or perhaps was, is undone in reverse order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How far a saga has come."""

    RUNNING = "running"
    """Its steps are being done."""
    COMPENSATING = "compensating"
    """What it has done is being undone."""
    COMPLETED = "completed"
    """Every step is done."""
    COMPENSATED = "compensated"
    """Nothing is left of what it did."""
    STUCK = "stuck"
    """It can't go on by itself: an operator looks, and retries or abandons it."""
    ABANDONED = "abandoned"
    """An operator has ended it where it stood."""

    @property
    def ended(self) -> bool:
        """It stays so for ever, and holds no lock."""
        return self in {State.COMPLETED, State.COMPENSATED, State.ABANDONED}

    @property
    def moving(self) -> bool:
        """It goes on by itself."""
        return self in {State.RUNNING, State.COMPENSATING}


class Kind(StrEnum):
    """What can become of a step."""

    COMPENSABLE = "compensable"
    """Done, it can be undone."""
    PIVOT = "pivot"
    """The point of no return: once it is done, the saga goes forward only."""
    RETRIABLE = "retriable"
    """It succeeds at last."""


class Event(StrEnum):
    """What happens to a saga."""

    TRY = "try"
    """A step is about to be done, or undone."""
    DONE = "done"
    """The step has been done."""
    REFUSED = "refused"
    """The step was answered with an error that is final."""
    FAILED = "failed"
    """The step could not be done, and nothing has come of this try."""
    UNKNOWN = "unknown"
    """Nobody knows what has come of this try."""
    DEADLINE = "deadline"
    """The saga's deadline has passed."""
    UNDONE = "undone"
    """The step has been undone."""
    NOT_UNDONE = "not undone"
    """The step could not be undone yet."""
    UNFIT = "unfit"
    """What is written of the saga can't be read by the code that there is."""
    RETRY = "retry"
    """An operator says: go on."""
    ABANDON = "abandon"
    """An operator says: leave it."""


class Move(StrEnum):
    """Where an event leads, among the steps."""

    SEND = "send"
    """A try is out, and may have its effect whatever becomes of who sent it."""
    COUNT = "count"
    """A try whose effect is written with its outcome, or not at all."""
    STAY = "stay"
    """The same step, later."""
    DOUBT = "doubt"
    """The same step, later; it may have been done."""
    KEEP = "keep"
    """The same step, as before."""
    NEXT = "next"
    TURN = "turn"
    """Back: to this step if it may have been done and can be undone, else to the one before it."""
    BACK = "back"
    """To the step before."""
    ANEW = "anew"
    """The same step, as if it had not been tried."""
    END = "end"


@dataclass(frozen=True, slots=True)
class Shape:
    """What the machine has to know of one step."""

    kind: Kind
    local: bool = False
    """Its effect is written in the transaction that records it: so nobody is ever in doubt."""
    undoable: bool = True
    """There is a compensation."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the machine has to know of a saga's declaration."""

    steps: tuple[Shape, ...]
    attempts: int = 20
    """As often a step is tried to be undone, before somebody has to look."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one saga stands."""

    state: State = State.RUNNING
    at: int = 0
    """The step that is to be done, or undone."""
    attempts: int = 0
    """How often that was begun, this way."""
    trying: bool = False
    """A try is out, and its outcome has not been written."""
    doubted: bool = False
    """An earlier try may have had its effect."""
    back: bool = False
    """It has turned."""

    @property
    def maybe(self) -> bool:
        """The step may have been done."""
        return self.trying or self.doubted


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table. A condition that is None, or empty, asks nothing."""

    source: State
    event: Event
    target: State
    move: Move
    kinds: tuple[Kind, ...] = ()
    local: bool | None = None
    back: bool | None = None
    last: bool | None = None
    """Is there no step left, the way that the move goes?"""
    final: bool | None = None
    """May the step have been done, and can't be undone?"""
    spent: bool | None = None
    """Has it been tried as often as it may be?"""


_EARLY = (Kind.COMPENSABLE, Kind.PIVOT)
_LATE = (Kind.RETRIABLE,)


def _row(source: State, event: Event, target: State, move: Move, **when: object) -> Transition:
    return Transition(source, event, target, move, **when)  # type: ignore[arg-type]  # conditions


TRANSITIONS: tuple[Transition, ...] = (
    _row(State.RUNNING, Event.TRY, State.RUNNING, Move.SEND, local=False),
    _row(State.RUNNING, Event.TRY, State.RUNNING, Move.COUNT, local=True),
    _row(State.RUNNING, Event.DONE, State.RUNNING, Move.NEXT, last=False),
    _row(State.RUNNING, Event.DONE, State.COMPLETED, Move.END, last=True),
    _row(State.RUNNING, Event.FAILED, State.RUNNING, Move.STAY),
    _row(State.RUNNING, Event.UNKNOWN, State.RUNNING, Move.DOUBT),
    _row(State.RUNNING, Event.REFUSED, State.COMPENSATING, Move.TURN, kinds=_EARLY, last=False),
    _row(State.RUNNING, Event.REFUSED, State.COMPENSATED, Move.END, kinds=_EARLY, last=True),
    _row(State.RUNNING, Event.REFUSED, State.STUCK, Move.KEEP, kinds=_LATE),
    _row(State.RUNNING, Event.DEADLINE, State.COMPENSATING, Move.TURN,
         kinds=_EARLY, final=False, last=False),
    _row(State.RUNNING, Event.DEADLINE, State.COMPENSATED, Move.END,
         kinds=_EARLY, final=False, last=True),
    _row(State.RUNNING, Event.DEADLINE, State.RUNNING, Move.KEEP, kinds=_EARLY, final=True),
    _row(State.RUNNING, Event.DEADLINE, State.RUNNING, Move.KEEP, kinds=_LATE),
    _row(State.RUNNING, Event.UNFIT, State.STUCK, Move.KEEP),
    _row(State.RUNNING, Event.ABANDON, State.ABANDONED, Move.END),
    _row(State.COMPENSATING, Event.TRY, State.COMPENSATING, Move.COUNT),
    _row(State.COMPENSATING, Event.UNDONE, State.COMPENSATING, Move.BACK, last=False),
    _row(State.COMPENSATING, Event.UNDONE, State.COMPENSATED, Move.END, last=True),
    _row(State.COMPENSATING, Event.NOT_UNDONE, State.COMPENSATING, Move.KEEP, spent=False),
    _row(State.COMPENSATING, Event.NOT_UNDONE, State.STUCK, Move.KEEP, spent=True),
    _row(State.COMPENSATING, Event.UNFIT, State.STUCK, Move.KEEP),
    _row(State.COMPENSATING, Event.ABANDON, State.ABANDONED, Move.END),
    _row(State.STUCK, Event.RETRY, State.RUNNING, Move.ANEW, back=False),
    _row(State.STUCK, Event.RETRY, State.COMPENSATING, Move.ANEW, back=True),
    _row(State.STUCK, Event.ABANDON, State.ABANDONED, Move.END),
)  # fmt: skip


class IllegalEvent(ValueError):
    """Nothing like that can happen to a saga that stands there."""


def after(
    standing: Standing, event: Event, plan: Plan, table: tuple[Transition, ...] = TRANSITIONS
) -> Standing:
    """Where a saga stands after this.

    Raises:
        IllegalEvent: the table has no such row.
    """
    found = [row for row in table if _fits(row, standing, event, plan)]
    if len(found) != 1:
        raise IllegalEvent(f"{event} is nothing that happens to a saga that is {standing.state}")
    return _moved(replace(standing, state=found[0].target), found[0].move, plan)


def _fits(row: Transition, standing: Standing, event: Event, plan: Plan) -> bool:
    if row.source is not standing.state or row.event is not event:
        return False
    step = plan.steps[standing.at]
    asked = (
        (row.local, step.local),
        (row.back, standing.back),
        (row.last, _leads_out(standing, event, plan)),
        (row.final, standing.maybe and not step.undoable),
        (row.spent, standing.attempts >= plan.attempts),
    )
    return step.kind in (row.kinds or Kind) and all(want in {None, is_} for want, is_ in asked)


def _leads_out(standing: Standing, event: Event, plan: Plan) -> bool:
    if event is Event.DONE:
        return standing.at == len(plan.steps) - 1
    if event is Event.UNDONE:
        return standing.at == 0
    return standing.at == 0 and not _to_undo(standing, plan)


def _to_undo(standing: Standing, plan: Plan) -> bool:
    return standing.maybe and plan.steps[standing.at].undoable


def _moved(standing: Standing, move: Move, plan: Plan) -> Standing:
    at, tried, doubted = standing.at, standing.attempts + 1, standing.maybe
    changes: dict[Move, dict[str, Any]] = {
        # Whoever sent a try that is still out has died, or was taken over: nobody will tell of it.
        Move.SEND: {"attempts": tried, "trying": True, "doubted": doubted},
        Move.COUNT: {"attempts": tried},
        Move.STAY: {"trying": False},
        Move.DOUBT: {"trying": False, "doubted": doubted},
        Move.KEEP: {},
        Move.NEXT: {**_FRESH, "at": at + 1},
        Move.TURN: {**_FRESH, "at": at if _to_undo(standing, plan) else at - 1, "back": True},
        Move.BACK: {**_FRESH, "at": at - 1},
        Move.ANEW: {"attempts": 0},
        Move.END: _FRESH,
    }
    return replace(standing, **changes[move])


_FRESH: dict[str, Any] = {"attempts": 0, "trying": False, "doubted": False}
