"""The way of one method's calls: here or there, and on the other arm when the first one fails.

Which way that is gets settled whenever the wiring changes, and leaves nothing to look up on a call
but what may differ from one to the next: the decision of the ladder.
"""

from __future__ import annotations

import os
import typing
from collections.abc import Callable
from typing import Any

from strangler.ladder import Arm
from strangler.manifest.model import Placement
from strangler.ports import runtime
from strangler.ports.calling.door import through
from strangler.ports.calling.placed import Placed
from strangler.ports.calling.remote import Remote
from strangler.ports.context import commanded, current
from strangler.ports.declare import Kind, Method, Port
from strangler.ports.errors import CallRefused, NotExecuted, OutcomeUnknown
from strangler.ports.rehearsal import under_way
from strangler.ports.transports import Transport
from strangler.ports.transports.local import Local
from strangler.ports.transports.loopback import Loopback

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
            elsewhere = None
            if where == "auto" and wiring.arm is Arm.SERVICE and wiring.urls is not None:
                elsewhere = Remote(method.capability, Arm.MONOLITH).connect(method)
            here = _here(method, Loopback if where == "loopback" else Local)
            run = through(method, here, elsewhere)
        # In loopback, which is for finding faults, a fallback would hide them.
        if method.fallback is not None and where != "loopback":
            run = _or_fallback(method.fallback, run)
        if method.kind is Kind.COMMAND:
            run = _noted(method, _refused_in_shadow(method, run))
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
        if (rehearsal := under_way()) is not None:
            rehearsal.give_up(f"it commands others: {method}")
        raise CallRefused(f"{method} is a command, and a shadow call changes nothing")


def _refused_in_shadow(method: Method, run: Callable[..., Any]) -> Callable[..., Any]:
    def unless_shadow(*args: Any, **kwargs: Any) -> Any:
        refuse_in_shadow(method)
        return run(*args, **kwargs)

    return unless_shadow


def _noted(method: Method, run: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*args: Any, **kwargs: Any) -> Any:
        try:
            return run(*args, **kwargs)
        finally:
            # Perhaps it has not been executed; a pin too many costs little.
            commanded(method.capability)

    return noted


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
