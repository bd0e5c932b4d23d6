"""The way of one method's calls: here or there, and on the other arm when the first one fails.

Which way that is gets settled whenever the wiring changes, and leaves nothing to look up on a call
but what may differ from one to the next: the decision of the ladder.
"""

from __future__ import annotations

import os
import time
import typing
from collections.abc import Callable
from typing import Any

from strangler.ladder import Arm
from strangler.manifest.model import Placement
from strangler.ports import runtime
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
from strangler.ports.remote import Remote
from strangler.ports.runtime import Outcome, Wiring
from strangler.ports.transports import Transport
from strangler.ports.transports.local import Local
from strangler.ports.transports.loopback import Loopback
from strangler.routing.cohorts import draw
from strangler.routing.decide import Call

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
    """The way of one method's calls; ``run`` is current as long as ``version`` is."""

    __slots__ = ("method", "run", "version")

    def __init__(self, method: Method) -> None:
        self.method = method
        self.version = -1
        self.run: Callable[..., Any] = self.settle

    def settle(self) -> None:
        """Find the way as things are wired now.

        Raises:
            NotServed: nobody answers.
            NotReachable: nothing says where the arm that answers is.
            UnknownPlacement: the environment asks for one that there is not.
        """
        version, wiring = runtime.version, runtime.wiring
        placed = placement(self.method.capability)
        run = _way(self.method, placed, wiring)
        # In loopback, which is for finding faults, a fallback would hide them.
        if self.method.fallback is not None and placed != "loopback":
            run = _or_fallback(self.method.fallback, run)
        if self.method.kind is Kind.COMMAND:
            run = _refused_in_shadow(self.method, run)
        if wiring.guard is not None:
            run = _guarded(self.method, wiring.guard, run)
        if wiring.interpose is not None:
            run = _interposed(self.method, wiring.interpose, run)
        self.run = run
        self.version = version


def _way(method: Method, placed: Placement, wiring: Wiring) -> Callable[..., Any]:
    match placed:
        case "local":
            return _here(method, Local)
        case "loopback":
            return _here(method, Loopback)
        case "remote":
            return Remote(method.capability, Arm.SERVICE).connect(method)
        case "auto":
            if wiring.place is not None:
                return Placed(method, wiring).call
            if runtime.implementation(method.capability) is not None:
                return _here(method, Local)
            return Remote(method.capability, Arm.MONOLITH).connect(method)


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

    __slots__ = ("_arms", "_wiring", "method")

    def __init__(self, method: Method, wiring: Wiring) -> None:
        self.method = method
        self._wiring = wiring
        self._arms: dict[Arm, Callable[..., Any]] = {}

    def arm(self, arm: Arm) -> Callable[..., Any]:
        """The way to an arm: in this process where the arm is at home, else over HTTP.

        Raises:
            NotReachable: nothing says where that arm is.
        """
        way = self._arms.get(arm)
        if way is None:
            name = self.method.capability
            at_home = arm is self._wiring.arm and runtime.implementation(name) is not None
            way = _here(self.method, Local) if at_home else Remote(name, arm).connect(self.method)
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
        place = typing.cast("Callable[[Call], Any]", self._wiring.place)
        arm: Arm = place(Call(name, self.method.kind, cohort, forced)).arm
        return arm, context

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """One call; raises what the arm that was asked last raises."""
        before = current()
        arm, context = self.decide(before)
        way = self._arms.get(arm) or self.arm(arm)
        observe = self._wiring.observe
        began = time.perf_counter()
        outcome = Outcome.FAILED
        try:
            if context is before:
                answer = way(*args, **kwargs)
            else:
                with use(context):
                    answer = way(*args, **kwargs)
            outcome = Outcome.OK
        except DeclaredError:
            outcome = Outcome.DECLARED
            raise
        except PortError as error:
            if arm is Arm.MONOLITH or not self.may_fall_back(error, context):
                raise
            outcome = Outcome.FALLBACK
        finally:
            if observe is not None and not context.shadow:
                seconds = time.perf_counter() - began
                observe(self.method.capability, arm, self.method.kind, outcome, seconds)
        if outcome is Outcome.FALLBACK:
            with use(context):
                return self.arm(Arm.MONOLITH)(*args, **kwargs)
        return answer

    def may_fall_back(self, error: PortError, context: Context) -> bool:
        """May the monolith answer what the service has not?

        A query, whatever happened to it; a command only if nothing can have been executed, and
        either arm may take it. Nobody waits any more once the caller's own deadline has passed.
        """
        fallback = self._wiring.fallback
        kind = self.method.kind
        if fallback is None or not fallback(self.method.capability, kind):
            return False
        if kind is Kind.COMMAND:
            return isinstance(error, NotExecuted) and not isinstance(error, CallRefused | TooLate)
        return context.deadline is None or time.monotonic() < context.deadline


def _or_fallback(fallback: Callable[..., Any], run: Callable[..., Any]) -> Callable[..., Any]:
    def with_fallback(*args: Any, **kwargs: Any) -> Any:
        try:
            return run(*args, **kwargs)
        except (NotExecuted, OutcomeUnknown):
            return fallback(*args, **kwargs)

    return with_fallback


def _refused_in_shadow(method: Method, run: Callable[..., Any]) -> Callable[..., Any]:
    def unless_shadow(*args: Any, **kwargs: Any) -> Any:
        if current().shadow:
            raise CallRefused(f"{method} is a command, and a shadow call changes nothing")
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
