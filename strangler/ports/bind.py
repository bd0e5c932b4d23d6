"""What callers hold: a port whose methods run here or there.

::

    catalog = bind(Catalog)          # typed as Catalog
    catalog.product("SKU-1")

Where a call runs is decided anew for each one. Whoever says it first: a test (``placed``), the
environment (``STRANGLER_CATALOG=local|loopback|remote|auto``), the manifest, and else ``auto``,
which follows the ladder.
"""

from __future__ import annotations

import functools
import os
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from strangler.manifest.model import Placement
from strangler.ports import runtime
from strangler.ports.context import current
from strangler.ports.declare import Kind, Method, Port, capability, declared, methods
from strangler.ports.errors import CallRefused
from strangler.ports.transports.local import Local

P = TypeVar("P", bound=Port)

PLACEMENTS: tuple[Placement, ...] = typing.get_args(Placement)


class NotServed(LookupError):
    """Nobody answers for this capability here, and nothing says where else it is answered."""


class UnknownPlacement(ValueError):
    """The environment asks for a placement that there is not."""


def bind(port: type[P]) -> P:
    """The port, ready to be called; the same object for the same port.

    Its calls raise what the method declares, or a ``PortError``.
    """
    port = typing.cast("type[P]", declared(port))
    if port not in _bound:
        calls = {name: _method(Route(method)) for name, method in methods(port).items()}
        _bound[port] = type(port.__name__, (port,), {"__module__": port.__module__, **calls})()
    return typing.cast("P", _bound[port])


_bound: dict[type[Port], Port] = {}


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
    """The way of one method's calls, settled again whenever the wiring has changed."""

    __slots__ = ("method", "run", "version")

    def __init__(self, method: Method) -> None:
        self.method = method
        self.version = -1
        self.run: Callable[..., Any] = self.settle

    def settle(self) -> None:
        """Look up where calls go now.

        Raises:
            NotServed: nobody answers.
            UnknownPlacement: the environment asks for one that there is not.
        """
        version = runtime.version
        run = Local(_implementation(self.method)).connect(self.method)
        if self.method.kind is Kind.COMMAND:
            run = _refused_in_shadow(self.method, run)
        self.run = run
        self.version = version


def _method(route: Route) -> Callable[..., Any]:
    @functools.wraps(getattr(route.method.port, route.method.name))
    def bound(_self: Port, /, *args: Any, **kwargs: Any) -> Any:
        if route.version != runtime.version:
            route.settle()
        return route.run(*args, **kwargs)

    bound.__strangler_route__ = route  # type: ignore[attr-defined]
    return bound


def _implementation(method: Method) -> Port:
    found = runtime.implementation(method.capability)
    if found is None:
        name = capability(method.port).upper()
        raise NotServed(
            f"{method}: nobody answers for {method.capability} in this process. "
            f"serve({method.port.__name__}, …) where the process is wired, "
            f"or place it elsewhere: STRANGLER_{name}=remote"
        )
    return found


def _refused_in_shadow(method: Method, run: Callable[..., Any]) -> Callable[..., Any]:
    def unless_shadow(*args: Any, **kwargs: Any) -> Any:
        if current().shadow:
            raise CallRefused(f"{method} is a command, and a shadow call changes nothing")
        return run(*args, **kwargs)

    return unless_shadow
