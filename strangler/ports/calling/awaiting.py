"""Ports for callers that await.

::

    product = await call(catalog.product, "SKU-1")      # typed as Product

A port's methods stay plain functions. What runs in this process runs in a thread; what runs
elsewhere is awaited, and holds none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast

from strangler.ladder import Arm
from strangler.ports import runtime
from strangler.ports.calling import wire
from strangler.ports.calling.door import Turned
from strangler.ports.calling.placed import Placed, Watched, turning
from strangler.ports.calling.remote import due, peer
from strangler.ports.calling.retry import again, retried_async
from strangler.ports.calling.route import Route, refuse_in_shadow
from strangler.ports.codec import codec
from strangler.ports.context import commanded, current, use
from strangler.ports.declare import Kind, Method
from strangler.ports.errors import NotExecuted, OutcomeUnknown, PortError

P = ParamSpec("P")
T = TypeVar("T")
_Args: TypeAlias = tuple[Any, ...]
_Kwargs: TypeAlias = dict[str, Any]


async def call(method: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a method of a bound port, and await its answer.

    Raises:
        TypeError: it is no method of a bound port.
        PortError: as the plain call does.
    """
    route: Route | None = getattr(method, "__strangler_route__", None)
    if route is None:
        raise TypeError(f"{method!r} is no method of a bound port: call(bind(Port).method, …)")
    return cast("T", await _answer(route, args, kwargs))


async def _answer(route: Route, args: _Args, kwargs: _Kwargs) -> Any:
    if route.version != runtime.version:
        route.settle()
    wiring, method, placed, far = runtime.wiring, route.method, route.placed, route.far
    context = current()
    if placed is not None:
        arm, context = placed.decide(context)
        far = None if placed.at_home(arm) else arm
    with use(context):
        if far is None or wiring.interpose is not None:
            return await asyncio.to_thread(route.run, *args, **kwargs)
        if wiring.guard is not None:
            wiring.guard(method)
        refuse_in_shadow(method)
        try:
            return await _there(method, placed, far, args, kwargs)
        except Turned:
            # From here on it goes its rounds as a plain call does.
            return await asyncio.to_thread(route.run, *args, **kwargs)
        except (NotExecuted, OutcomeUnknown):
            if method.fallback is None:
                raise
            return method.fallback(*args, **kwargs)
        finally:
            if method.kind is Kind.COMMAND:
                commanded(method.capability)


async def _there(
    method: Method, placed: Placed | None, far: Arm, args: _Args, kwargs: _Kwargs
) -> Any:
    if placed is None:
        return await _remote(method, far, args, kwargs)
    with turning(), Watched(placed, far, current()):
        return await _remote(method, far, args, kwargs)
    if placed.at_home(Arm.MONOLITH):
        return await asyncio.to_thread(placed.arm(Arm.MONOLITH), *args, **kwargs)
    return await _remote(method, Arm.MONOLITH, args, kwargs)


async def _remote(method: Method, arm: Arm, args: _Args, kwargs: _Kwargs) -> Any:
    """The same as ``Remote.connect(method)(…)``, awaited."""
    one = peer(method.capability, arm)
    compiled = codec(method)
    body = compiled.encode_arguments(args, kwargs)
    context = current()
    deadline = due(method, context)
    outgoing = context.replace(hops=context.hops + 1)

    async def attempt() -> Any:
        with one:
            request = wire.request(method, outgoing, body, audience=one.audience, deadline=deadline)
            return wire.result(compiled, await one.httpx.exchange(request))

    try:
        return await attempt()
    except PortError as error:
        if not again(method, error):
            raise
        first = error
    attempts = one.resilience.attempts
    return await retried_async(method, attempt, first=first, attempts=attempts, deadline=deadline)
