"""The edge inside Django: one middleware, which decides the arm of every request, or only listens.

``STRANGLER["EDGE"]`` says which. As ``middleware`` it is the one decider: a request that belongs to
the service is carried there. As ``nginx`` somebody else decides, and it sets the context, keeps the
door, and shadows; only what a tester forces is decided here, where signatures can be checked.

Put it after Django's AuthenticationMiddleware, or wherever your own ``IDENTIFY`` can do its work,
and before anything that reads request bodies. It is synchronous; under ASGI Django runs it in a
thread.
"""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponseBase

from strangler.django import conf
from strangler.django.doors import fencing, writers
from strangler.django.edge import identity, pins
from strangler.django.edge.answers import RefusedRequest, fenced, refusal
from strangler.django.edge.arms import Arms, GetResponse
from strangler.django.edge.contexts import Outside
from strangler.django.edge.marks import MARKS, Marks
from strangler.django.edge.targets import Target, seen, sent
from strangler.events.outbox import OutboxFull
from strangler.manifest.values import SAFE, UNSAFE
from strangler.ports.context import enter, leave, use
from strangler.routing.decide import Kind
from strangler.routing.paths import Match, OddPath, RouteMap, canonical

_PORTS: Final = "/_strangler/"
_KNOWN: Final = {"CONNECT", "TRACE"}


class EdgeMiddleware:
    """Decides where each request goes, and makes the context in which it is answered."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: GetResponse) -> None:
        """Read the manifest.

        Raises:
            BadSettings, ManifestErrors: the settings or the manifest are wrong.
        """
        manifest = conf.manifest()
        decides = conf.settings().edge is conf.Edge.MIDDLEWARE
        self._get_response = get_response
        self._routes = RouteMap(manifest)
        self._missed = self._routes.missed
        self._sticky = identity.Sticky(manifest.edge.sticky)
        self._marks = Marks(self._sticky, decides=decides)
        self._arms = Arms(get_response, decides=decides)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a request, here or there."""
        meta = request.META
        raw = meta.get("RAW_URI", "").partition("?")[0].removeprefix(meta.get("SCRIPT_NAME", ""))
        if self._missed(raw) != request.path_info or not meta.keys().isdisjoint(MARKS):
            return self._known(request)
        # It is no capability's, as most are: it gets a context that others may ask, and no more.
        context = Outside(request, self._sticky)
        token = enter(context)  # `use`, without its cost
        try:
            response = self._get_response(request)
        finally:
            leave(token)
        if context.asked is not None:
            pins.give(response, context.asked, secure=request.is_secure())
        return fenced(response) if fencing.refused and fencing.hit() is not None else response

    def _known(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a request that may be a capability's, or carries something of the kit's."""
        if request.path_info.startswith(_PORTS):
            # Port endpoints prove for themselves who calls.
            return self._get_response(request)
        try:
            where, match = self._match(request)
            kind = self._kind(request, match, where)
            context = self._marks.context(request, match, kind, where)
        except RefusedRequest as refused:
            refused.response.headers["traceparent"] = Outside(request, self._sticky).trace.header
            return refused.response
        if match is not None:
            return self._arms.answer(request, match, kind, where=where, context=context)
        with use(context), writers.doing(request):
            response = self._arms.here(request, context)
        return response if fencing.hit() is None else fenced(response)

    def process_exception(
        self, _request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        """An event that found no room has undone what it was to speak of: come again."""
        if not isinstance(exception, OutboxFull):
            return None
        message = "Too much waits to be told to others. Try again shortly."
        after = int(exception.headers["Retry-After"])
        return refusal(exception.status, exception.error, message, retry_after=after, executed=True)

    def _match(self, request: HttpRequest) -> tuple[Target, Match | None]:
        """What was asked for, and the capability that it belongs to.

        What counts is what Django routes: the path without the prefix of a mounted project.

        Raises:
            RefusedRequest: it might be one to some readers, and another or none to others.
        """
        where = sent(request)
        try:
            path = canonical(where.path)
            if path != request.path_info:
                # The server has rewritten it, and what Django sees is what counts.
                where = seen(request)
                path = canonical(where.path)
        except OddPath as odd:
            if self._routes.touches(where.path) or self._routes.touches(seen(request).path):
                message = f"this path can be read in several ways: {odd.reason}"
                raise RefusedRequest(refusal(400, "OddPath", message)) from odd
            return where, None
        return where, self._routes.match(path)

    def _kind(self, request: HttpRequest, match: Match | None, where: Target) -> Kind:
        """Is this a query or a command?

        Raises:
            RefusedRequest: its method is none that a capability knows.
        """
        method = request.method or "GET"
        if match is None:
            return Kind.QUERY if method in SAFE else Kind.COMMAND
        if method not in SAFE and method not in UNSAFE:
            # Neither arm has a use for it, and what some server on the way makes of it is its own.
            status, error = 501, "NotImplemented"
            if method in _KNOWN:
                status, error = 405, "MethodNotAllowed"
            refused = refusal(status, error, f'Method "{method}" not allowed.')
            refused.headers["Allow"] = ", ".join((*SAFE, *UNSAFE))
            raise RefusedRequest(refused)
        return self._routes.kind(match, method, canonical(where.path))
