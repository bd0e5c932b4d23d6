"""Who may ask on the public face: the edge, which proves itself and says for whom it asks."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from strangler.ports import runtime
from strangler.ports.context import Context, Trace, use
from strangler.ports.headers import CONTEXT, face
from strangler.ports.tokens import TokenRefused, Use, verify


class EdgeMiddleware:
    """Requests to a capability's paths carry the edge's token, and run in the context it proves.

    Whoever comes past the edge is refused: the service does not know the client's credentials, and
    takes nobody's word for who the client is.
    """

    def __init__(self, app: ASGIApp, *, capability: str, routes: Iterable[str]) -> None:
        self._app = app
        self._capability = capability
        self._routes = tuple(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(self._routes):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            context = self._proved(headers.get(CONTEXT), scope["method"])
        except TokenRefused as refused:
            body = {
                "error": "NotThroughTheEdge",
                "message": f"ask the edge, not this service: {refused.reason}",
                "detail": {},
            }
            await JSONResponse(body, status_code=401)(scope, receive, send)
            return
        trace = Trace.continued(headers.get("traceparent"), headers.get("tracestate"))
        with use(context.replace(trace=trace)):
            await self._app(scope, receive, send)

    def _proved(self, token: str | None, method: str) -> Context:
        keyring = runtime.wiring.keyring
        if keyring is None:
            raise TokenRefused("this service has no keys")
        if not token:
            raise TokenRefused(f"there is no {CONTEXT}")
        return verify(keyring, token, use=Use.HTTP, action=face(self._capability, method))
