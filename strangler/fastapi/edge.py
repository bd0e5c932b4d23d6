"""Who may ask on the public face: the edge, which proves itself and says for whom it asks."""

from __future__ import annotations

import time
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strangler.fastapi.errors import problem
from strangler.manifest import Manifest
from strangler.ports import runtime
from strangler.ports.context import Context, Trace, use
from strangler.ports.face import LIMIT
from strangler.ports.headers import CONTEXT, DEADLINE, EXECUTED, face
from strangler.ports.tokens import TokenRefused, Use, verify
from strangler.routing.decide import Kind
from strangler.routing.paths import Match, OddPath, RouteMap, canonical

REFUSED: Mapping[str, str] = {EXECUTED: "no"}


class EdgeMiddleware:
    """Requests to a capability's paths carry the edge's token, and run in the context it proves.

    Whoever comes past the edge is refused: the service does not know the client's credentials, and
    takes nobody's word for who the client is. A command's token is good for one delivery of one
    body, and a command of a shadow is refused.
    """

    def __init__(self, app: ASGIApp, *, manifest: Manifest) -> None:
        self._app = app
        self._routes = RouteMap(manifest)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, if the edge stands behind it."""
        match, kind = self._matched(scope) if scope["type"] == "http" else (None, Kind.QUERY)
        if match is None:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        body = None
        if kind is Kind.COMMAND:
            body = await _body(Request(scope, receive))
            if body is None:
                message = f"A request has {LIMIT} bytes at most."
                await problem(413, "TooLarge", message, headers=REFUSED)(scope, receive, send)
                return
            receive = _again(body, receive)
        try:
            context = _proved(headers, face(match.capability, scope["method"]), body)
        except TokenRefused as refused:
            message = f"Ask the edge, not this service: {refused.reason}."
            answer = problem(401, "NotThroughTheEdge", message, headers=REFUSED)
            await answer(scope, receive, send)
            return
        if context.shadow and kind is Kind.COMMAND:
            message = "A shadow call changes nothing; this is a command."
            await problem(403, "ShadowRefused", message, headers=REFUSED)(scope, receive, send)
            return
        with use(context):
            await self._app(scope, receive, send)

    def _matched(self, scope: Scope) -> tuple[Match | None, Kind]:
        raw = scope["raw_path"].decode("latin-1") if scope.get("raw_path") else scope["path"]
        try:
            path = canonical(raw)
        except OddPath:
            return None, Kind.QUERY  # The framework knows no such route either.
        match = self._routes.match(path)
        return match, self._routes.kind(match, scope["method"], path) if match else Kind.QUERY


def _proved(headers: Headers, action: str, body: bytes | None) -> Context:
    keyring = runtime.wiring.keyring
    token = headers.get(CONTEXT)
    if keyring is None:
        raise TokenRefused("this service has no keys")
    if not token:
        raise TokenRefused(f"there is no {CONTEXT}")
    context = verify(
        keyring,
        token,
        use=Use.HTTP,
        action=action,
        once=body is not None,
        body=body,
        replays=runtime.wiring.replays,
    )
    return context.replace(
        trace=Trace.continued(headers.get("traceparent"), headers.get("tracestate")),
        deadline=_deadline(headers.get(DEADLINE)),
    )


def _deadline(said: str | None) -> float | None:
    try:
        return time.monotonic() + float(said) if said else None
    except ValueError:
        return None


async def _body(request: Request) -> bytes | None:
    """The whole body; None where it is longer than a request may be."""
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            parts.append(part)
            size += len(part)
            if size > LIMIT:
                return None
    except ClientDisconnect:
        return b""
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """What the application reads: the body that was read before, then whatever else comes."""
    waiting = [body]

    async def replayed() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replayed
