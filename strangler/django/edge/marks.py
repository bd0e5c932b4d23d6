"""What of a request only the kit may say: it is taken off, and believed where it is proved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from strangler.django.edge import forcing, fronted, identity
from strangler.django.edge.answers import RefusedRequest, refusal
from strangler.django.edge.contexts import Outside
from strangler.django.edge.targets import Target
from strangler.django.shadow.asking import INSIDE
from strangler.ladder import Arm
from strangler.ports import runtime
from strangler.ports.context import NOTHING_FORCED, Context, Trace
from strangler.ports.headers import CONTEXT, FORCE, INTERNAL, face
from strangler.ports.trust.keys import Keyring
from strangler.ports.trust.tokens import TokenRefused, Use, verify
from strangler.routing.decide import Kind
from strangler.routing.paths import Match

_INTERNAL: Final = frozenset(map(fronted.key, INTERNAL))
_CONTEXT: Final = fronted.key(CONTEXT)
_FORCE: Final = fronted.key(FORCE)

MARKS: Final = _INTERNAL | {INSIDE}
"""Whatever of ``META`` is the kit's."""


class Marks:
    """How an edge reads what a request carries; ``decides`` says that none is in front of it."""

    def __init__(self, sticky: identity.Sticky, *, decides: bool) -> None:
        self._sticky = sticky
        self._decides = decides

    def context(
        self, request: HttpRequest, match: Match | None, kind: Kind, where: Target
    ) -> Context:
        """The context of a request, without whatever of the kit's it carries.

        Raises:
            RefusedRequest: it proves nothing, or is not for this request.
        """
        meta = request.META
        if meta.keys().isdisjoint(MARKS):
            return Outside(request, self._sticky)
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
            raise RefusedRequest(refusal(403, "TokenRefused", refused.reason)) from refused
        return Outside(request, self._sticky)

    def _party(
        self, request: HttpRequest, token: str, match: Match | None, kind: Kind, where: Target
    ) -> Context:
        """What another kit party says about its request.

        Raises:
            TokenRefused: it is none.
            RefusedRequest: it wants a shadow to change something.
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
            raise RefusedRequest(refusal(403, "ShadowRefused", message))
        meta = request.META
        trace = Trace.continued(meta.get("HTTP_TRACEPARENT"), meta.get("HTTP_TRACESTATE"))
        return context.replace(trace=trace, pins=set(context.pins), rehearsal=False)

    def _told(
        self, request: HttpRequest, carried: Mapping[str, str], kind: Kind, told: fronted.Told
    ) -> Context:
        """The context of a request that an edge in front has passed on.

        Raises:
            TokenRefused: a tester's token proves nothing.
            RefusedRequest: a tester forces the arm of a command.
        """
        force = carried.get(_FORCE)
        forced = self._forced(force, kind) if force else NOTHING_FORCED
        return Outside(request, self._sticky, forced=forced, told=told)

    def _forced(self, token: str, kind: Kind) -> Mapping[str, Arm]:
        """The arms that a tester forces.

        Raises:
            TokenRefused: nobody whom we know has signed it.
            RefusedRequest: this is a command.
        """
        wanted = forcing.forced(_keyring(), token)
        if kind is Kind.COMMAND:
            message = "only a query's arm can be forced: a command goes to the owner"
            raise RefusedRequest(refusal(400, "CommandForced", message))
        return wanted


def _keyring() -> Keyring:
    keyring = runtime.wiring.keyring
    if keyring is None:
        raise ImproperlyConfigured(
            "nothing to check a signature with: strangler.django's app loads the keys of "
            'STRANGLER["KEYS"]; is it among INSTALLED_APPS?'
        )
    return keyring
