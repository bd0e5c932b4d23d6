"""How a saga is written: data, and steps that take it.

::

    @dataclass(frozen=True, slots=True)
    class Placing:
        order: UUID
        charge: str | None = None

    def reserve(placing: Placing, here: Here) -> None:
        inventory.reserve(placing.order, …)

    PLACE = Saga(
        "ordering.place",
        Placing,
        compensable("reserve", reserve, release, refusals=[OutOfStock]),
        compensable("charge", charge, refund, refusals=[Declined]),
        pivot("confirm", confirm, local=True),
        locks=lambda placing: [f"order:{placing.order}"],
    )

A step may be done more than once: whoever it asks has to know it again by ``here.key``, or by the
data. Its compensation is asked for whatever may have been done, so also for what never was; and
once it has answered, the step must not be done any more, by a try that was long on its way.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from strangler.ports import crossing
from strangler.ports.declare import Violation
from strangler.ports.errors import DeclaredError
from strangler.saga.data import Written
from strangler.saga.errors import DeclarationError
from strangler.saga.machine import Kind, Plan, Shape

__all__ = ["Here", "Saga", "Step", "compensable", "nothing", "pivot", "retriable"]

DEADLINE = timedelta(minutes=10)
LEASE = timedelta(seconds=10)
ATTEMPTS = 20
LONGEST = 100
"""Characters of a saga's name, and of a step's."""

D = TypeVar("D")
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_STEP = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Here:
    """Where a step is done: in which saga, and why, if it is being undone.

    ``cause`` names the error that the saga has turned for, ``reason`` is what it said; both are
    empty while it goes forward.
    """

    saga: UUID
    step: str
    attempt: int
    cause: str = ""
    reason: str = ""

    @property
    def key(self) -> str:
        """The step's idempotency key: the same for every try, and for its compensation."""
        return f"{self.saga}:{self.step}"


Act = Callable[[D, Here], D | None]
"""What a step does: gives the data as it is now, or None if that has not changed."""


@dataclass(frozen=True, slots=True)
class Step(Generic[D]):
    """One step. A ``local`` one runs inside the transaction that records its outcome."""

    kind: Kind
    name: str
    action: Act[D]
    compensation: Act[D] | None = None
    refusals: tuple[type[DeclaredError], ...] = ()
    local: bool = False

    def act(self, *, back: bool) -> Act[D]:
        """What does it, or undoes it."""
        return self.compensation if back and self.compensation is not None else self.action


def compensable(
    name: str,
    action: Act[D],
    compensation: Act[D],
    *,
    refusals: Sequence[type[DeclaredError]] = (),
    local: bool = False,
) -> Step[D]:
    """A step that can be undone; one that changes nothing is undone by ``nothing``.

    Args:
        name: what it is called, within the saga.
        action: does it.
        compensation: undoes it; it may not have been done.
        refusals: the errors that are final. Whatever else is raised is tried again.
        local: both run inside the transaction that records them, and call no port.
    """
    return Step(Kind.COMPENSABLE, name, action, compensation, tuple(refusals), local)


def pivot(
    name: str,
    action: Act[D],
    compensation: Act[D] | None = None,
    *,
    refusals: Sequence[type[DeclaredError]] = (),
    local: bool = False,
) -> Step[D]:
    """The point of no return: before it the saga can turn, after it it only goes forward.

    Args as for ``compensable``, except:
        compensation: sees to it that what may have been done is not, and never will be. Without
            one, a pivot that may have been done is tried until somebody knows, and a refusal of it
            has to mean that it never was, and will not be by a try that is still on its way.
    """
    return Step(Kind.PIVOT, name, action, compensation, tuple(refusals), local)


def retriable(
    name: str,
    action: Act[D],
    *,
    refusals: Sequence[type[DeclaredError]] = (),
    local: bool = False,
) -> Step[D]:
    """A step behind the pivot, which succeeds at last; args as for ``compensable``.

    A refusal can be undone no more: it leaves the saga stuck, until an operator has looked.
    """
    return Step(Kind.RETRIABLE, name, action, None, tuple(refusals), local)


def nothing(_data: Any, _here: Here) -> None:
    """The compensation of a step that changes nothing."""


class Saga(Generic[D]):
    """A declared saga. Its name begins with the capability whose rows its local steps write."""

    def __init__(
        self,
        name: str,
        data: type[D],
        *steps: Step[D],
        locks: Callable[[D], Iterable[str]] | None = None,
        abandoned: Act[D] | None = None,
        deadline: timedelta = DEADLINE,
        lease: timedelta = LEASE,
        attempts: int = ATTEMPTS,
    ) -> None:
        """Check the declaration.

        Args:
            name: ``capability.what``.
            data: a frozen, slotted dataclass of what may cross a boundary.
            steps: in order: compensable ones, one pivot, retriable ones.
            locks: names which no two sagas hold at once, such as ``order:42``; held to the end.
            abandoned: writes down, in the database of the local steps, that an operator has ended
                it: in the transaction that does. It undoes nothing, and calls no port.
            deadline: by then it has passed its pivot, or it turns.
            lease: longer than any of its steps takes; then somebody else goes on.
            attempts: as often it is tried to undo a step, before an operator has to look.

        Raises:
            DeclarationError: with everything that is wrong.
        """
        self.name = name
        self.steps = steps
        self.locks = locks
        self.abandoned = abandoned
        self.deadline = deadline.total_seconds()
        self.lease = lease.total_seconds()
        found = [*_named(name), *_data(name, data), *_ordered(name, steps)]
        for step in steps:
            found += _step(f"{name}.{step.name}", step)
        if abandoned is not None:
            found += _act(f"{name} abandoned", abandoned)
        limits = {"deadline": self.deadline, "lease": self.lease, "attempts": attempts}
        for what, value in limits.items():
            if value <= 0:
                found.append(Violation(f"{name} {what}", str(value), "give more than 0"))
        if found:
            raise DeclarationError(name, found)
        shapes = (Shape(one.kind, one.local, one.compensation is not None) for one in steps)
        self.plan = Plan(tuple(shapes), attempts)
        self.written = Written(data)

    def __repr__(self) -> str:
        return f"<Saga {self.name}>"

    @property
    def capability(self) -> str:
        """Whose rows its local steps write."""
        return self.name.partition(".")[0]


def _named(name: str) -> Iterator[Violation]:
    if not _NAME.fullmatch(name) or len(name) > LONGEST:
        remedy = f"write capability.what, in lower case and at most {LONGEST} characters"
        yield Violation(name, f"the name {name!r}", remedy)


def _data(name: str, data: Any) -> Iterator[Violation]:
    where = f"{name} data"
    if not (isinstance(data, type) and hasattr(data, "__dataclass_params__")):
        remedy = "write a dataclass: @dataclass(frozen=True, slots=True)"
        yield Violation(where, crossing.name(data), remedy)
        return
    yield from crossing.violations(data, where)


def _ordered(name: str, steps: Sequence[Step[Any]]) -> Iterator[Violation]:
    pivots = [step.name for step in steps if step.kind is Kind.PIVOT]
    if len(pivots) != 1:
        said = f"{len(pivots)} pivots: {', '.join(pivots)}" if pivots else "no pivot"
        remedy = "name the one step after which there is no way back: pivot(…)"
        yield Violation(name, said, remedy)
    names: set[str] = set()
    passed = False
    for step in steps:
        where = f"{name}.{step.name}"
        if step.name in names:
            yield Violation(where, "that name twice", "give each step a name of its own")
        names.add(step.name)
        if step.kind is Kind.COMPENSABLE and passed:
            remedy = "what may have to be undone comes before the pivot, or make it retriable"
            yield Violation(where, "a compensable step behind the pivot", remedy)
        elif step.kind is Kind.RETRIABLE and pivots and not passed:
            remedy = "what can't be undone comes behind the pivot, or make it compensable"
            yield Violation(where, "a retriable step before the pivot", remedy)
        passed = passed or step.kind is Kind.PIVOT


def _step(where: str, step: Step[Any]) -> Iterator[Violation]:
    if not _STEP.fullmatch(step.name) or len(step.name) > LONGEST:
        remedy = "use lower case letters, digits and _: it is part of a key"
        yield Violation(where, f"the name {step.name!r}", remedy)
    yield from _act(f"{where} action", step.action)
    if step.compensation is not None:
        yield from _act(f"{where} compensation", step.compensation)
    elif step.kind is Kind.COMPENSABLE:
        yield Violation(where, "no compensation", "name one; one that changes nothing: nothing")
    if step.kind is Kind.PIVOT and step.local and step.compensation is not None:
        remedy = "leave it out: a local step is done with its record, or not at all"
        yield Violation(where, "a compensation of a local pivot", remedy)
    refusals: tuple[Any, ...] = step.refusals
    for error in refusals:
        if not (isinstance(error, type) and issubclass(error, DeclaredError)):
            remedy = "derive it from strangler.ports.errors.DeclaredError"
            yield Violation(f"{where} refusals", repr(error), remedy)


def _act(where: str, act: Any) -> Iterator[Violation]:
    remedy = "write a function of the data and of where it is: def act(data, here)"
    if not callable(act) or inspect.iscoroutinefunction(act):
        yield Violation(where, repr(act), remedy)
        return
    try:
        inspect.signature(act).bind(None, None)
    except TypeError:
        yield Violation(where, f"the signature {inspect.signature(act)}", remedy)
    except ValueError:  # a function of C's need not tell
        return
