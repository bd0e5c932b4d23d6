"""Calls that the ladder places: on which arm each one runs, and where else if that can't be."""

from __future__ import annotations

import time
import typing
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from types import TracebackType
from typing import Any, Final, TypeAlias

from strangler.ladder import Arm
from strangler.ports import runtime
from strangler.ports.calling.door import Rounds, Turned, entered, holder
from strangler.ports.calling.remote import Remote, due
from strangler.ports.context import Context, current, use
from strangler.ports.declare import Kind, Method
from strangler.ports.errors import (
    CallRefused,
    DeclaredError,
    DoorShut,
    NotExecuted,
    NotOwner,
    PortError,
    TooLate,
)
from strangler.ports.runtime import Outcome, Returned, Wiring
from strangler.ports.transports.local import Local
from strangler.routing.cohorts import draw
from strangler.routing.decide import Call, Decision

Around: TypeAlias = "AbstractContextManager[Returned | None, None]"
NOTHING: Final[Around] = nullcontext()


def heard(around: Around, way: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What the command returns; whoever stands around it is told."""
    with around as returned:
        result = way(*args, **kwargs)
        if returned is not None:
            returned(result)
        return result


class Placed:
    """Calls that the ladder places, each one anew."""

    __slots__ = ("_arms", "method", "wiring")

    def __init__(self, method: Method, wiring: Wiring) -> None:
        self.method = method
        self.wiring = wiring
        self._arms: dict[Arm, Callable[..., Any]] = {}

    def at_home(self, arm: Arm) -> bool:
        """Is this process that arm of the capability?"""
        home = arm is self.wiring.arm
        return home and runtime.implementation(self.method.capability) is not None

    def arm(self, arm: Arm) -> Callable[..., Any]:
        """The way to an arm: in this process where the arm is at home, else over HTTP.

        Raises:
            NotReachable: nothing says where that arm is.
        """
        way = self._arms.get(arm)
        if way is None:
            implementation = runtime.implementation(self.method.capability)
            if arm is self.wiring.arm and implementation is not None:
                way = Local(implementation).connect(self.method)
            else:
                way = Remote(self.method.capability, arm).connect(self.method)
            self._arms[arm] = way
        return way

    def decide(self, context: Context, told: NotOwner | None = None) -> tuple[Arm, Context]:
        """Which arm answers, and the context with the cohort that decided it.

        For a command also with the epoch as it is known here. What a side has ``told`` that has
        turned it away outranks the table if that knows nothing newer.
        """
        method = self.method
        name = method.capability
        cohort = context.cohort
        if cohort is None:
            cohort = draw()
            context = context.replace(cohort=cohort)
        forced = context.forced.get(name) if context.forced else None
        place = typing.cast("Callable[[Call], Decision]", self.wiring.place)
        arm = place(Call(name, method.kind, cohort, forced)).arm
        if method.kind is Kind.QUERY:
            if arm is Arm.SERVICE and name in context.pins:
                arm = place(Call(name, method.kind, cohort, forced, pinned=True)).arm
            return arm, context
        epoch = self.wiring.epoch(name) if self.wiring.epoch is not None else 0
        if told is not None and told.owner is not None and told.epoch >= epoch:
            arm, epoch = told.owner, told.epoch
        if context.doors:
            arm = holder(context, name) or arm
        return arm, context.replace(epoch=epoch) if epoch != context.epoch else context

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """One call; raises what the arm that was asked last raises."""
        if self.method.kind is Kind.COMMAND and self.wiring.door is not None:
            return self._command(args, kwargs)
        before = current()
        arm, context = self.decide(before)
        way = self._arms.get(arm) or self.arm(arm)
        with Watched(self, arm, context):
            if context is before:
                return way(*args, **kwargs)
            with use(context):
                return way(*args, **kwargs)
        with use(context):
            return self.arm(Arm.MONOLITH)(*args, **kwargs)

    def _command(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """One command, placed again until a side says that it owns the rows."""
        before = current()
        rounds = Rounds(self.method.capability, due(self.method, before))
        while True:
            arm, context = self.decide(before, rounds.told)
            try:
                with use(context):
                    return self._turn(arm, context, rounds.deadline, args, kwargs)
            except Turned as turned:
                rounds.again(turned.error)

    def _turn(
        self,
        arm: Arm,
        context: Context,
        deadline: float,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        way = self._arms.get(arm) or self.arm(arm)
        if self.at_home(arm):
            with self.inside(deadline), Watched(self, arm, context):
                return heard(self.sampled(args, kwargs), way, *args, **kwargs)
        else:
            with turning(), Watched(self, arm, context):
                return way(*args, **kwargs)
        return self.arm(Arm.MONOLITH)(*args, **kwargs)

    def sampled(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Around:
        """Around a command that is answered here: it may be rehearsed elsewhere."""
        sampled = self.wiring.sampled
        return NOTHING if sampled is None else sampled(self.method, args, kwargs)

    def inside(self, deadline: float) -> ExitStack:
        """The door of this side, entered; it is left with the block.

        Raises:
            Turned: this side does not own the rows.
            DoorShut: the door has not opened in time.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(entered(self.method.capability, deadline))
            except NotOwner as error:
                raise Turned(error) from error
            return stack.pop_all()

    def may_fall_back(self, error: PortError, context: Context) -> bool:
        """May the monolith answer what the service has not?

        A query, whatever happened to it, but for whoever has commanded the capability only once the
        monolith has what came of it; a command only if nothing can have been executed, and either
        arm may take it. Nobody waits any more once the caller's own deadline has passed.
        """
        fallback = self.wiring.fallback
        kind = self.method.kind
        if fallback is None or not fallback(self.method.capability, kind):
            return False
        if kind is Kind.COMMAND:
            return isinstance(error, NotExecuted) and not isinstance(error, CallRefused | TooLate)
        if context.deadline is not None and time.monotonic() >= context.deadline:
            return False
        arrived, name = self.wiring.arrived, self.method.capability
        return arrived is None or name not in context.pins or arrived(name, context.deadline)


class Watched:
    """Stands around a call that the ladder has placed, and tells the observer how it ended.

    Swallows the error if the monolith may answer instead: what follows the block is the fallback.
    """

    __slots__ = ("_arm", "_began", "_context", "_placed")

    def __init__(self, placed: Placed, arm: Arm, context: Context) -> None:
        self._placed = placed
        self._arm = arm
        self._context = context

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        outcome = Outcome.OK
        if isinstance(error, NotOwner | DoorShut):
            return False  # It has not been this arm's turn.
        if error is not None:
            outcome = Outcome.FAILED
            if isinstance(error, DeclaredError):
                outcome = Outcome.DECLARED
            elif (
                self._arm is Arm.SERVICE
                and isinstance(error, PortError)
                # What is raised here may be about some other call, which the implementation made.
                and not self._placed.at_home(self._arm)
                and self._placed.may_fall_back(error, self._context)
            ):
                outcome = Outcome.FALLBACK
        observe = self._placed.wiring.observe
        if observe is not None and not self._context.shadow:
            method = self._placed.method
            seconds = time.perf_counter() - self._began
            observe(method.capability, self._arm, method.kind, outcome, seconds)
        return outcome is Outcome.FALLBACK


class turning:  # noqa: N801 - a context manager, read as a participle
    """Around a call of another process: what that turns away at its door is ``Turned``."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, NotOwner | DoorShut):
            raise Turned(error) from error
