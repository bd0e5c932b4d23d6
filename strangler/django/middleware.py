"""The edge inside Django: one middleware, which decides the arm of every request, or only listens.

``STRANGLER["EDGE"]`` says which. As ``middleware`` it is the one decider: a request that belongs to
the service is carried there. As ``nginx`` somebody else decides, and it sets the context, keeps the
door, and shadows; only what a tester forces is decided here, where signatures can be checked.

Put it after Django's AuthenticationMiddleware, or wherever your own ``IDENTIFY`` can do its work,
and before anything that reads request bodies. It is synchronous; under ASGI Django runs it in a
thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from typing import Final

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponseBase

from strangler.django import conf
from strangler.django.doors import arriving, fencing, known, writers
from strangler.django.edge import commands, forcing, fronted, identity, pins, service_arm
from strangler.django.edge.answers import RETRY_AFTER, fenced, refusal
from strangler.django.edge.commands import CARRIED
from strangler.django.edge.contexts import Outside
from strangler.django.edge.fronted import FALLBACK
from strangler.django.edge.targets import Target, seen, sent
from strangler.django.observing import observations
from strangler.django.ports import placing
from strangler.django.shadow import rehearsing, shadowing
from strangler.django.shadow.asking import INSIDE
from strangler.django.shadow.readonly import read_only
from strangler.events.outbox import OutboxFull
from strangler.ladder import Arm
from strangler.manifest.values import SAFE, UNSAFE
from strangler.ports import runtime
from strangler.ports.context import NOTHING_FORCED, Context, Trace, enter, leave, use
from strangler.ports.headers import ARM, CONTEXT, FORCE, INTERNAL, REASON, face
from strangler.ports.trust.keys import Keyring
from strangler.ports.trust.tokens import TokenRefused, Use, verify
from strangler.routing.decide import Call, Kind, Reason
from strangler.routing.paths import Match, OddPath, RouteMap, canonical

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def _key(header: str) -> str:
    return f"HTTP_{header.upper().replace('-', '_')}"


_INTERNAL: Final = frozenset(map(_key, INTERNAL))
_CONTEXT: Final = _key(CONTEXT)
_FORCE: Final = _key(FORCE)
_PORTS: Final = "/_strangler/"
_KNOWN: Final = {"CONNECT", "TRACE"}


class _Refused(Exception):
    """This request goes nowhere."""

    def __init__(self, response: HttpResponseBase) -> None:
        super().__init__()
        self.response = response


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
        self._get_response = get_response
        self._decides = conf.settings().edge is conf.Edge.MIDDLEWARE
        self._routes = RouteMap(manifest)
        self._sticky = identity.Sticky(manifest.edge.sticky)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a request, here or there."""
        if request.path_info.startswith(_PORTS):
            # Port endpoints prove for themselves who calls.
            return self._get_response(request)
        meta = request.META
        unmarked = meta.keys().isdisjoint(_INTERNAL) and INSIDE not in meta
        raw = meta.get("RAW_URI", "").partition("?")[0].removeprefix(meta.get("SCRIPT_NAME", ""))
        if unmarked and self._routes.missed(raw) == request.path_info:
            outside = Outside(request, self._sticky)
            token = enter(outside)  # `use`, without its cost: most requests are such
            try:
                response = self._get_response(request)
            finally:
                leave(token)
            if outside.asked is not None:
                pins.give(response, outside.asked, secure=request.is_secure())
            return response if fencing.hit() is None else fenced(response)
        try:
            where, match = self._match(request)
            kind = self._kind(request, match, where)
            if unmarked:
                context: Context = Outside(request, self._sticky)
            else:
                context = self._marked(request, match, kind, where)
        except _Refused as refused:
            return refused.response
        if match is not None:
            return self._capability(request, match, kind, where=where, context=context)
        with use(context), writers.doing(request):
            response = self._here(request, context)
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
            _Refused: it might be one to some readers, and another or none to others.
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
                raise _Refused(refusal(400, "OddPath", message)) from odd
            return where, None
        return where, self._routes.match(path)

    def _kind(self, request: HttpRequest, match: Match | None, where: Target) -> Kind:
        """Is this a query or a command?

        Raises:
            _Refused: its method is none that a capability knows.
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
            raise _Refused(refused)
        return self._routes.kind(match, method, canonical(where.path))

    def _marked(
        self, request: HttpRequest, match: Match | None, kind: Kind, where: Target
    ) -> Context:
        """The context of a request that carries something of the kit's, which is taken off it.

        Raises:
            _Refused: it proves nothing, or is not for this request.
        """
        meta = request.META
        told = None if self._decides else fronted.told(meta)
        carried = {key: meta.pop(key) for key in _INTERNAL & meta.keys()}
        inside: Context | None = meta.pop(INSIDE, None)
        if inside is not None:
            return inside
        try:
            if told is not None:
                return self._told(request, carried, kind, told.proved())
            if token := carried.get(_CONTEXT):
                return self._party(request, token, match, kind, where)
            if token := carried.get(_FORCE):
                return Outside(request, self._sticky, forced=self._forced(token, kind))
        except TokenRefused as refused:
            raise _Refused(refusal(403, "TokenRefused", refused.reason)) from refused
        return Outside(request, self._sticky)

    def _party(
        self, request: HttpRequest, token: str, match: Match | None, kind: Kind, where: Target
    ) -> Context:
        """What another kit party says about its request.

        Raises:
            TokenRefused: it is none.
            _Refused: it wants a shadow to change something.
        """
        once = kind is Kind.COMMAND
        party = match.capability if match else runtime.wiring.party
        context = verify(
            _keyring(),
            token,
            use=Use.HTTP,
            action=face(party, request.method or "GET"),
            once=once,
            body=request.body if once else None,
            target=str(where),
            replays=runtime.wiring.replays,
        )
        if context.shadow and once:
            message = "a shadow request changes nothing; this is a command"
            raise _Refused(refusal(403, "ShadowRefused", message))
        meta = request.META
        trace = Trace.continued(meta.get("HTTP_TRACEPARENT"), meta.get("HTTP_TRACESTATE"))
        return context.replace(trace=trace, pins=set(context.pins), rehearsal=False)

    def _told(
        self, request: HttpRequest, carried: Mapping[str, str], kind: Kind, told: fronted.Told
    ) -> Context:
        """The context of a request that an edge in front has passed on.

        Raises:
            TokenRefused: a tester's token proves nothing.
            _Refused: a tester forces the arm of a command.
        """
        force = carried.get(_FORCE)
        forced = self._forced(force, kind) if force else NOTHING_FORCED
        return Outside(request, self._sticky, forced=forced, told=told)

    def _forced(self, token: str, kind: Kind) -> Mapping[str, Arm]:
        """The arms that a tester forces.

        Raises:
            TokenRefused: nobody whom we know has signed it.
            _Refused: this is a command.
        """
        wanted = forcing.forced(_keyring(), token)
        if kind is Kind.COMMAND:
            message = "only a query's arm can be forced: a command goes to the owner"
            raise _Refused(refusal(400, "CommandForced", message))
        return wanted

    def _here(self, request: HttpRequest, context: Context) -> HttpResponseBase:
        """The monolith's own answer; to a shadow's question one that has changed nothing."""
        if context.shadow:
            with read_only():
                return self._get_response(request)
        return self._get_response(request)

    def _capability(
        self, request: HttpRequest, match: Match, kind: Kind, *, where: Target, context: Context
    ) -> HttpResponseBase:
        """Answer a request of a capability on the arm that the table says, and say which it was."""
        began = time.monotonic()
        name = match.capability
        told = context.told if isinstance(context, Outside) else None
        decides = isinstance(context, Outside) and (self._decides or name in context.forced)
        if told is not None and (response := fronted.turned_down(request, told, name, kind)):
            return response
        with placing.pinned(), use(context), writers.doing(request):
            arm, reason = Arm.MONOLITH, told.reason if told and told.reason else CARRIED
            if decides:
                arm, reason = self._arm(name, kind, context)
            here = partial(self._by_monolith, request, match, kind, where, context)
            try:
                if kind is Kind.COMMAND and known.door(name) is not None:
                    way = commands.Command(
                        request, name, str(where), context, here, self._carries(context)
                    )
                    done = way.answer(arm)
                else:
                    done = self._arms(
                        request, name, kind, arm, target=str(where), context=context, here=here
                    )
            except service_arm.Unfit as unfit:
                # Neither arm has answered, nor failed.
                return unfit.response
            except BaseException:
                if decides and told is None:
                    self._record(name, arm, kind, began, failed=True)
                raise
            if decides and told is None:
                tried = arm if done.fallback else done.arm or arm
                failed, fallback = done.failed, done.fallback
                self._record(name, tried, kind, began, failed=failed, fallback=fallback)
            response = done.response
            if fencing.hit() is not None:
                response = fenced(response)
            if told is not None and pins.COOKIE in request.META.get("HTTP_COOKIE", ""):
                _ = context.pins  # an edge can't see when the rows have moved: so that it is told
            self._sign(request, response, context, done.reason or reason, done.arm)
        return response

    def _arm(self, name: str, kind: Kind, context: Context) -> tuple[Arm, str]:
        """The arm that the table says, and why."""
        call = Call(name, kind, context.cohort or 0, context.forced.get(name))
        decision = placing.place(call)
        if decision.arm is Arm.SERVICE and kind is Kind.QUERY:
            pinned = placing.place(call._replace(pinned=True))
            if pinned.arm is not decision.arm and name in context.pins:
                decision = pinned
        return decision.arm, str(decision.reason)

    def _carries(self, context: Context) -> int | None:
        """How often a command may be carried on: as often as it takes, if nobody else does it."""
        if not isinstance(context, Outside):
            return 0
        return None if self._decides else 1

    def _arms(
        self,
        request: HttpRequest,
        name: str,
        kind: Kind,
        arm: Arm,
        *,
        target: str,
        context: Context,
        here: Callable[[], tuple[HttpResponseBase, bool]],
    ) -> commands.Done:
        """Answered by this arm, or by the monolith if it fails and may fail."""
        if arm is Arm.MONOLITH:
            if kind is Kind.QUERY and (refused := self._behind(request, name, context)):
                return commands.Done(refused, None)
            response, failed = here()
            return commands.Done(response, arm, failed=failed)
        ready = service_arm.ready(request)
        outcome = service_arm.answer(request, name, kind, ready, target=target, context=context)
        if outcome.response is not None:
            answering = arm if outcome.answered else None
            return commands.Done(outcome.response, answering, failed=outcome.failed)
        with closing(outcome):
            if refused := self._behind(request, name, context):
                return commands.Done(refused, None, failed=outcome.failed)
            response = self._here(request, context)
        return commands.Done(
            response, Arm.MONOLITH, failed=outcome.failed, reason=FALLBACK, fallback=True
        )

    def _behind(self, request: HttpRequest, name: str, context: Context) -> HttpResponseBase | None:
        """What is said instead of an answer that may lack what the client has commanded."""
        if not pins.behind(request, context, name):
            return None
        if not arriving.arrived(name, context.deadline):
            message = f"{name} can't be reached, and what it has changed of late is not here yet"
            return refusal(503, "Unavailable", message, retry_after=RETRY_AFTER)
        if isinstance(context, Outside):
            context.pins.arrived(name)
        return None

    def _record(
        self,
        name: str,
        arm: Arm,
        kind: Kind,
        began: float,
        *,
        failed: bool,
        fallback: bool = False,
    ) -> None:
        seconds = time.monotonic() - began
        observations.record(name, arm, kind, seconds=seconds, failed=failed, fallback=fallback)

    def _sign(
        self,
        request: HttpRequest,
        response: HttpResponseBase,
        context: Context,
        reason: str,
        answering: Arm | None,
    ) -> None:
        """Say which arm has answered, and let the client keep what it is to bring again."""
        if answering is not None:
            response.headers[ARM] = str(answering)  # a WSGI server wants a str and no subclass
            response.headers[REASON] = str(reason)
        if context.trace is not None:
            response.headers["traceparent"] = context.trace.header
        if not isinstance(context, Outside):
            return
        secure = request.is_secure()
        if context.found.cookie is not None:
            identity.give(response, context.found.cookie, secure=secure)
        if context.asked is not None:
            pins.give(response, context.asked, secure=secure)
            stranger = context.asked.stranger and not context.found.cookie
            if stranger and reason in {Reason.PINNED, FALLBACK}:
                pins.mark(response, secure=secure)

    def _by_monolith(
        self, request: HttpRequest, match: Match, kind: Kind, where: Target, context: Context
    ) -> tuple[HttpResponseBase, bool]:
        """The monolith's answer where it is its turn, compared if it is sampled; has it failed?"""
        outside = isinstance(context, Outside)
        failed = isinstance(context, Outside) and context.told and context.told.reason == FALLBACK
        asks = outside and not failed
        if asks and kind is Kind.COMMAND:
            rehearsed = rehearsing.sample(request, match, where, context)
            if rehearsed is not None:
                with rehearsed:
                    response = self._here(request, context)
                    rehearsed.answered(response)
                return response, response.status_code >= 500
        sample = shadowing.sample(request, match, kind, where, context) if asks else None
        response = self._here(request, context)
        if sample is not None:
            sample.offer(response)
        return response, response.status_code >= 500


def _keyring() -> Keyring:
    keyring = runtime.wiring.keyring
    if keyring is None:
        raise ImproperlyConfigured(
            "nothing to check a signature with: strangler.django's app loads the keys of "
            'STRANGLER["KEYS"]; is it among INSTALLED_APPS?'
        )
    return keyring
