"""The way of one method's calls: here or there, and on the other arm when the first one fails.

Which way that is gets settled whenever the wiring changes, and leaves nothing to look up on a call
but what may differ from one to the next: the decision of the ladder.
"""

from __future__ import annotations

import os
import time
import typing
from collections.abc import Callable
from types import TracebackType
from typing import Any

from strangler.ladder import Arm
from strangler.manifest.model import Placement
from strangler.ports import runtime
from strangler.ports.calling.remote import Remote
from strangler.ports.context import Context, current, use
from strangler.ports.declare import Kind, Method, Port
from strangler.ports.errors import (
    CallRefused,
    DeclaredError,
    NotExecuted,
    OutcomeUnknown,
    PortError,
    TooLate,
)
from strangler.ports.runtime import Outcome, Wiring
from strangler.ports.transports import Transport
from strangler.ports.transports.local import Local
from strangler.ports.transports.loopback import Loopback
from strangler.routing.cohorts import draw
from strangler.routing.decide import Call, Decision

PLACEMENTS: tuple[Placement, ...] = typing.get_args(Placement)


class NotServed(LookupError):
    """Nobody answers for this capability here, and nothing says where else it is answered."""


class UnknownPlacement(ValueError):
    """The environment asks for a placement that there is not."""


def placement(capability: str) -> Placement:
    """Where calls of this capability run, as far as that is fixed; else ``auto``.

    Raises:
        UnknownPlacement: the environment asks for one that there is not.
    """
    wiring = runtime.wiring
    test = wiring.placed.get(capability)
    if test is not None:
        return test
    variable = f"STRANGLER_{capability.upper()}"
    asked = typing.cast("Placement | None", os.environ.get(variable))
    if asked:
        if asked not in PLACEMENTS:
            legal = ", ".join(PLACEMENTS)
            raise UnknownPlacement(f"{variable}={asked}: there is no such placement; use {legal}")
        return asked
    return wiring.placed.get("*") or wiring.placements.get(capability, "auto")


class Route:
    """The way of one method's calls; ``run`` is current as long as ``version`` is.

    ``placed`` is there when the ladder decides, ``far`` when it is always the same arm elsewhere;
    without either, calls stay in this process.
    """

    __slots__ = ("far", "method", "placed", "run", "version")

    def __init__(self, method: Method) -> None:
        self.method = method
        self.version = -1
        self.run: Callable[..., Any] = self.settle
        self.placed: Placed | None = None
        self.far: Arm | None = None

    def settle(self) -> None:
        """Find the way as things are wired now.

        Raises:
            NotServed: nobody answers.
            NotReachable: nothing says where the arm that answers is.
            UnknownPlacement: the environment asks for one that there is not.
        """
        version, wiring, method = runtime.version, runtime.wiring, self.method
        where = placement(method.capability)
        self.placed = self.far = None
        if where == "auto" and wiring.place is not None:
            self.placed = Placed(method, wiring)
            run: Callable[..., Any] = self.placed.call
        elif where == "remote":
            self.far = Arm.SERVICE
            run = Remote(method.capability, self.far).connect(method)
        elif where == "auto" and runtime.implementation(method.capability) is None:
            # There is no table beside us: the monolith's port endpoint places the call.
            self.far = Arm.MONOLITH
            run = Remote(method.capability, self.far).connect(method)
        else:
            run = _here(method, Loopback if where == "loopback" else Local)
        # In loopback, which is for finding faults, a fallback would hide them.
        if method.fallback is not None and where != "loopback":
            run = _or_fallback(method.fallback, run)
        if method.kind is Kind.COMMAND:
            run = _refused_in_shadow(method, run)
        if wiring.guard is not None:
            run = _guarded(method, wiring.guard, run)
        if wiring.interpose is not None:
            run = _interposed(method, wiring.interpose, run)
        self.run = run
        self.version = version


def _here(method: Method, transport: Callable[[Port], Transport]) -> Callable[..., Any]:
    implementation = runtime.implementation(method.capability)
    if implementation is None:
        raise NotServed(
            f"{method}: nobody answers for {method.capability} in this process. Call "
            f"serve({method.port.__name__}, …) where the process is wired, or place it elsewhere: "
            f"STRANGLER_{method.capability.upper()}=remote"
        )
    return transport(implementation).connect(method)


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
            if self.at_home(arm):
                way = _here(self.method, Local)
            else:
                way = Remote(self.method.capability, arm).connect(self.method)
            self._arms[arm] = way
        return way

    def decide(self, context: Context) -> tuple[Arm, Context]:
        """Which arm answers, and the context with the cohort that decided it."""
        name = self.method.capability
        cohort = context.cohort
        if cohort is None:
            cohort = draw()
            context = context.replace(cohort=cohort)
        forced = context.forced.get(name) if context.forced else None
        place = typing.cast("Callable[[Call], Decision]", self.wiring.place)
        return place(Call(name, self.method.kind, cohort, forced)).arm, context

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """One call; raises what the arm that was asked last raises."""
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

    def may_fall_back(self, error: PortError, context: Context) -> bool:
        """May the monolith answer what the service has not?

        A query, whatever happened to it; a command only if nothing can have been executed, and
        either arm may take it. Nobody waits any more once the caller's own deadline has passed.
        """
        fallback = self.wiring.fallback
        kind = self.method.kind
        if fallback is None or not fallback(self.method.capability, kind):
            return False
        if kind is Kind.COMMAND:
            return isinstance(error, NotExecuted) and not isinstance(error, CallRefused | TooLate)
        return context.deadline is None or time.monotonic() < context.deadline


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


def _or_fallback(fallback: Callable[..., Any], run: Callable[..., Any]) -> Callable[..., Any]:
    def with_fallback(*args: Any, **kwargs: Any) -> Any:
        try:
            return run(*args, **kwargs)
        except (NotExecuted, OutcomeUnknown):
            return fallback(*args, **kwargs)

    return with_fallback


def refuse_in_shadow(method: Method) -> None:
    """A shadow call changes nothing.

    Raises:
        CallRefused: the method is a command, and a shadow call makes it.
    """
    if method.kind is Kind.COMMAND and current().shadow:
        raise CallRefused(f"{method} is a command, and a shadow call changes nothing")


def _refused_in_shadow(method: Method, run: Callable[..., Any]) -> Callable[..., Any]:
    def unless_shadow(*args: Any, **kwargs: Any) -> Any:
        refuse_in_shadow(method)
        return run(*args, **kwargs)

    return unless_shadow


def _guarded(
    method: Method, guard: Callable[[Method], None], run: Callable[..., Any]
) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Any:
        guard(method)
        return run(*args, **kwargs)

    return guarded


def _interposed(
    method: Method,
    interpose: Callable[[Method, Callable[[], Any]], Any],
    run: Callable[..., Any],
) -> Callable[..., Any]:
    def interposed(*args: Any, **kwargs: Any) -> Any:
        return interpose(method, lambda: run(*args, **kwargs))

    return interposed
