"""What stands before everything else in a service: port calls, faults, figures, and leaving."""

from __future__ import annotations

import logging
import time
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strangler.events.receiving import PATH as EVENTS
from strangler.fastapi.events import EventEndpoint
from strangler.fastapi.health import OPEN, Health
from strangler.fastapi.metrics import Metrics
from strangler.fastapi.ports import PortEndpoint, respond
from strangler.fastapi.watch import Watch
from strangler.ports.answer import Refusal
from strangler.ports.context import current, use
from strangler.ports.serve import PATH, Answer

CONTEXT: Final = "strangler.context"
"""The key of a request's scope under which stands for whom it has been proved to be."""
UNMATCHED: Final = "unmatched"
_CLOSE: Final = (b"connection", b"close")

_log = logging.getLogger("strangler.fastapi")


class Front:
    """What answers first: FastAPI and its middleware stand behind it.

    Answers port calls and takes events itself, and lets everything else through. While the process
    drains, each answer is the last one on its connection, so that none is closed under a client who
    is about to ask again.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        ports: PortEndpoint,
        events: EventEndpoint,
        metrics: Metrics,
        health: Health,
    ) -> None:
        self._app = app
        self._ports = ports
        self._events = events
        self._metrics = metrics
        self._health = health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            if self._health.draining:
                send = _last(send)
            self._metrics.in_flight += 1
            try:
                await self._answering(scope["path"])(scope, receive, send)
            finally:
                self._metrics.in_flight -= 1
        elif scope["type"] == "websocket":
            # Nobody could prove there who asks.
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._app(scope, receive, send)

    def _answering(self, path: str) -> ASGIApp:
        if path.startswith(PATH):
            return self._ports
        return self._events if path.startswith(EVENTS) else self._app


class Watched:
    """The outermost middleware. Nothing that is raised behind it reaches a client, or is lost."""

    def __init__(self, app: ASGIApp, *, watch: Watch) -> None:
        self._app = app
        self._watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and take note of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0
        began = time.perf_counter()

        async def watching(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watching)
        except ClientDisconnect:
            pass  # nobody waits for an answer
        except Exception:  # noqa: BLE001 - the client is to be answered, and told nothing
            with use(scope.get(CONTEXT) or current()):
                _log.exception("%s %s has failed", scope["method"], scope["path"])
            if status:
                # The answer has begun: only a broken connection can say that it will not end.
                raise Broken from None
            await respond(watching, FAILED)
        finally:
            if status:
                self._watch.ended(
                    scope,
                    route=_template(scope),
                    status=status,
                    seconds=time.perf_counter() - began,
                    context=scope.get(CONTEXT),
                )


class Broken(Exception):
    """An answer that had begun can't be ended. What has happened is in the log."""


FAILED: Final = Answer(
    500,
    {"Content-Type": "application/json"},
    Refusal(500, "InternalError", "Something went wrong on our side.").answer().body,
)
"""What a client is told of a fault: that there was one."""


def _template(scope: Scope) -> str:
    """The template of the route that has answered, never the path that a client made up."""
    if scope["path"] in OPEN:
        return str(scope["path"])
    found = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    return str(getattr(found, "path_format", None) or getattr(found, "path", UNMATCHED))


def _last(send: Send) -> Send:
    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), _CLOSE]
        await send(message)

    return closing
