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
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from strangler.ports import runtime
from strangler.ports.calling.route import Route
from strangler.ports.declare import Port, declared, methods

P = TypeVar("P", bound=Port)

_bound: dict[type[Port], Port] = {}


def bind(port: type[P]) -> P:
    """The port, ready to be called; the same object for the same port.

    Its calls raise what the method declares, or a ``PortError``.
    """
    port = typing.cast("type[P]", declared(port))
    if port not in _bound:
        calls = {name: _calling(Route(method)) for name, method in methods(port).items()}
        _bound[port] = type(port.__name__, (port,), {"__module__": port.__module__, **calls})()
    return typing.cast("P", _bound[port])


def _calling(route: Route) -> Callable[..., Any]:
    @functools.wraps(getattr(route.method.port, route.method.name))
    def bound(_self: Port, /, *args: Any, **kwargs: Any) -> Any:
        if route.version != runtime.version:
            route.settle()
        return route.run(*args, **kwargs)

    bound.__strangler_route__ = route  # type: ignore[attr-defined]  # for ``call``, which awaits
    return bound
