"""The service's port endpoint: ``POST /_strangler/ports/{capability}/{method}``.

It is asked before any middleware or router, and speaks ASGI itself: a port call costs what it must,
and nothing that FastAPI does for other routes. What is checked, and what is answered to what, is in
``strangler.ports.serve``.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from starlette.types import Receive, Scope, Send

from strangler.fastapi.bodies import read
from strangler.fastapi.pool import Full, Pool
from strangler.fastapi.watch import Watch
from strangler.ports.answer import Answer, Refusal
from strangler.ports.context import Context
from strangler.ports.declare import Port, capability, methods
from strangler.ports.serve import LIMIT, PATH, READ, dispatch

ROUTE: Final = f"{PATH}{{capability}}/{{method}}"
_UNKNOWN: Final = "unknown"
_READ: Final = {name.encode("latin-1"): name for name in READ}


class PortEndpoint:
    """Answers calls of one port in the pool's threads."""

    def __init__(
        self, port: type[Port], *, pool: Pool, callers: Collection[str], watch: Watch
    ) -> None:
        """``callers`` are the capabilities whose services may call; the monolith always may."""
        name = capability(port)
        self._calls = {f"{name}/{method}": f"{name}.{method}" for method in methods(port)}
        self._pool = pool
        self._callers = callers
        self._watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call; nothing, if the caller has gone before it was whole."""
        began = time.perf_counter()
        headers = {
            _READ[name]: value.decode("latin-1")
            for name, value in scope["headers"]
            if name in _READ
        }
        called = scope["path"][len(PATH) :]
        proved = _Proved()
        answer = await self._answer(scope["method"], called, headers, receive, proved)
        if answer is None:
            return
        await respond(send, answer)
        self._watch.ended(
            scope,
            route=ROUTE,
            call=self._calls.get(called, _UNKNOWN),
            status=answer.status,
            seconds=time.perf_counter() - began,
            context=proved.context,
        )

    async def _answer(
        self,
        verb: str,
        called: str,
        headers: Mapping[str, str],
        receive: Receive,
        proved: _Proved,
    ) -> Answer | None:
        if verb != "POST":
            answer = Refusal(405, "MethodNotAllowed", f'Method "{verb}" not allowed.').answer()
            return Answer(answer.status, {**answer.headers, "Allow": "POST"}, answer.body)
        arrived = time.monotonic()
        body = await read(receive, LIMIT)
        if body is None:
            return None
        capability, _, method = called.partition("/")

        def call() -> Answer:
            return dispatch(
                capability,
                method,
                body,
                headers,
                callers=self._callers,
                around=proved,
                arrived=arrived,
            )

        try:
            return await self._pool.run(call)
        except Full as full:
            return Refusal(503, "Busy", str(full)).answer()


class _Proved:
    """Remembers for whom a call turned out to be made, for the log."""

    __slots__ = ("context",)

    def __init__(self) -> None:
        self.context: Context | None = None

    def __call__(self, context: Context) -> AbstractContextManager[None]:
        self.context = context
        return _NOTHING


_NOTHING: Final = nullcontext()


async def respond(send: Send, answer: Answer, more: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Send an answer of the kit."""
    headers = [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()
    ]
    headers.append((b"content-length", b"%d" % len(answer.body)))
    headers.extend(more)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
