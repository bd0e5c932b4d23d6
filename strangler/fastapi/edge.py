"""Who may ask on the public face: the edge, which proves itself and says for whom it asks."""

from __future__ import annotations

import time
from collections.abc import Set as AbstractSet
from typing import Final
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strangler.fastapi import bodies
from strangler.fastapi.door import Doorman, Hold
from strangler.fastapi.errors import answered, problem
from strangler.fastapi.front import CONTEXT as PROVED
from strangler.fastapi.health import OPEN
from strangler.fastapi.rehearsing import rehearse
from strangler.ladder import Arm
from strangler.manifest import Manifest
from strangler.ports import headers as names
from strangler.ports import runtime
from strangler.ports.answer import turned_away
from strangler.ports.context import Context, Trace, commanded, use
from strangler.ports.errors import DoorShut, NotOwner
from strangler.ports.face import LIMIT
from strangler.ports.serve import HOPS, Refusal, due
from strangler.ports.trust.tokens import TokenRefused, Use, verify
from strangler.routing.decide import Kind
from strangler.routing.paths import OddPath, RouteMap, canonical

_OURS: Final = b"x-strangler-"
_COMMANDED: Final = names.COMMANDED.lower().encode()
_ARM: Final = (names.ARM.lower().encode(), Arm.SERVICE.value.encode())


class EdgeMiddleware:
    """Requests to the capability's paths carry the edge's token, and run in the context it proves.

    Whoever comes past the edge is refused: the service does not know the client's credentials, and
    takes nobody's word for who the client is. A command's token is good for one delivery of one
    body at one target, and a command of a shadow is refused, unless it is to be rehearsed. Every
    refusal says that nothing was executed.

    Paths that are none of the capability's do not exist, but for those in ``OPEN``, which tell
    nothing of anybody. So a route outside the manifest's is never served unproved.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        manifest: Manifest,
        capability: str,
        doorman: Doorman | None = None,
    ) -> None:
        """``doorman`` lets commands in, where the service has a database whose rows have moved."""
        self._app = app
        self._doorman = doorman
        self._routes = RouteMap(manifest)
        self._capability = capability

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, if the edge stands behind it."""
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        try:
            kind = self._kind(scope)
            if kind is None:
                message = f"There is nothing at {scope['path']}."
                await problem(404, "NotFound", message)(scope, receive, send)
                return
            arrived = time.monotonic()
            body = None
            if kind is Kind.COMMAND:
                body = await self._body(scope, receive)
                if body is None:
                    return
                receive = bodies.again(body, receive)
            context = self._proved(scope, body, arrived)
            if context.rehearsal and body is not None and (make := runtime.wiring.rehearsal):
                _believe(scope)
                context = context.replace(rehearsal=False)
                answer = await rehearse(self._app, scope, receive, body, context, make)
                await answered(answer)(scope, receive, send)
                return
            hold = None
            if kind is Kind.COMMAND and self._doorman is not None:
                hold = await self._let_in(self._doorman, context)
                context = hold.context
        except Refusal as refusal:
            await answered(refusal.answer())(scope, receive, send)
            return
        await self._serve(scope, receive, send, kind, context, hold)

    async def _serve(  # noqa: PLR0917 - an ASGI request, and what is known of it
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        kind: Kind,
        context: Context,
        hold: Hold | None,
    ) -> None:
        """Let the application answer, inside the door if need be."""
        scope[PROVED] = context
        _believe(scope)
        before = context.pins
        context = context.replace(pins=set(before))
        if kind is Kind.COMMAND:
            before = before - {self._capability}
        signed = _signed(send, context, before)
        try:
            with use(context):
                if kind is Kind.COMMAND:
                    commanded(self._capability)
                await self._app(scope, bodies.bounded(receive), signed)
        finally:
            if hold is not None:
                hold.leave()

    async def _let_in(self, doorman: Doorman, context: Context) -> Hold:
        """Inside the door.

        Raises:
            Refusal: the monolith owns the rows, or the door stays shut; nothing has been executed.
        """
        try:
            return await doorman.let_in(context)
        except (NotOwner, DoorShut) as error:
            raise turned_away(error) from error

    def _kind(self, scope: Scope) -> Kind | None:
        """Is it a query or a command of our capability? None if it is neither.

        Raises:
            Refusal: its path could be read in another way by somebody else.
        """
        raw = scope.get("raw_path")
        try:
            path = canonical(raw.decode("latin-1") if raw else scope["path"])
        except OddPath as odd:
            message = f"this path can be read in several ways: {odd.reason}"
            raise Refusal(400, "OddPath", message) from odd
        if path != scope["path"]:  # what the router will see is what has to be proved
            raise Refusal(400, "OddPath", "this path can be read in several ways")
        match = self._routes.match(path)
        if match is None or match.capability != self._capability:
            return None
        return self._routes.kind(match, scope["method"], path)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """A command's body, which its token speaks of; None if the client has gone.

        Raises:
            Refusal: there is no token, so nothing is read, or the body is too long.
        """
        if names.CONTEXT not in Headers(scope=scope):
            raise _unproved(f"there is no {names.CONTEXT}")
        body = await bodies.read(receive, LIMIT)
        if body is not None and len(body) > LIMIT:
            raise Refusal(413, "TooLarge", f"A request has {LIMIT} bytes at most.")
        return body

    def _proved(self, scope: Scope, body: bytes | None, arrived: float) -> Context:
        """For whom the edge asks.

        Raises:
            Refusal: it is not the edge that asks, or not for this, or not any more.
        """
        headers = Headers(scope=scope)
        keyring, token = runtime.wiring.keyring, headers.get(names.CONTEXT)
        if keyring is None or not token:
            raise _unproved(f"there is no {names.CONTEXT}")
        once = body is not None
        try:
            context = verify(
                keyring,
                token,
                use=Use.HTTP,
                action=names.face(self._capability, scope["method"]),
                once=once,
                body=body,
                target=_target(scope),
                replays=runtime.wiring.replays,
            )
        except TokenRefused as refused:
            raise _unproved(refused.reason) from refused
        if context.caller != runtime.MONOLITH:
            said = f"{context.caller} is not the edge: another service calls the port"
            raise Refusal(403, "CallerRefused", said)
        if context.hops > HOPS:
            said = f"this request has passed through {context.hops} parties, of {HOPS} at most"
            raise Refusal(508, "TooManyHops", said)
        rehearsed = context.rehearsal and runtime.wiring.rehearsal is not None
        if context.shadow and once and not rehearsed:
            message = "a shadow request changes nothing; this is a command"
            raise Refusal(403, "ShadowRefused", message)
        return context.replace(
            deadline=due(headers.get(names.DEADLINE), arrived),
            trace=Trace.continued(headers.get("traceparent"), headers.get("tracestate")),
        )


def _target(scope: Scope) -> str:
    """Path and query string as they stand in the request line, one character for each byte."""
    path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _unproved(reason: str) -> Refusal:
    return Refusal(401, "NotThroughTheEdge", f"Ask the edge, not this service: {reason}.")


def _believe(scope: Scope) -> None:
    """Let the application see the request as the client made it, now that the edge is proved.

    Links that it writes begin as the client's address bar does. What is the kit's is not for it.
    """
    kept = []
    for name, value in scope["headers"]:
        if name.startswith(_OURS):
            continue
        if name == b"x-forwarded-proto" and value in {b"http", b"https"}:
            scope["scheme"] = value.decode()
        kept.append((name, value))
    scope["headers"] = kept


def _signed(send: Send, context: Context, before: AbstractSet[str]) -> Send:
    """Every answer names its arm, carries the trace, and says what was commanded on the way."""
    ours = [_ARM]
    if context.trace is not None:
        ours.append((b"traceparent", context.trace.header.encode()))

    async def signing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *ours]
            if new := context.pins - before:
                message["headers"].append((_COMMANDED, ",".join(sorted(new)).encode()))
        await send(message)

    return signing
