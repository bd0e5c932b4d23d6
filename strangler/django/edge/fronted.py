"""What an edge in front of this process says of a request, and how it proves that it is ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from django.http import HttpRequest, HttpResponseBase

from strangler.django.doors import known
from strangler.django.edge import identity, proof
from strangler.django.edge.answers import RETRY_AFTER, refusal
from strangler.django.ports import placing
from strangler.ladder import COHORTS
from strangler.ports.headers import COHORT, EDGE, REASON
from strangler.ports.trust.tokens import NOTHING, TokenRefused
from strangler.routing.decide import Kind

FALLBACK: Final = "fallback"
"""Why the monolith answers what the service has failed to answer."""
REFUSED: Final = "refused"
"""Why it answers what an edge got no token for."""


def key(header: str) -> str:
    """Under which name WSGI knows a header."""
    return f"HTTP_{header.upper().replace('-', '_')}"


_EDGE: Final = key(EDGE)
_COHORT: Final = key(COHORT)
_REASON: Final = key(REASON)


class Told(NamedTuple):
    """The client's cohort, and why the request comes here."""

    secret: str
    cohort: int
    reason: str

    def proved(self) -> Told:
        """The same, if it was our edge who said so.

        Raises:
            TokenRefused: it was not.
        """
        if not proof.holds(self.secret):
            raise TokenRefused("the secret is not that of the edge", told=NOTHING)
        return self


def told(meta: Mapping[str, Any]) -> Told | None:
    """What somebody says who wants to be the edge; None where nobody does."""
    secret = meta.get(_EDGE)
    if not secret:
        return None
    said = meta.get(_COHORT, "")
    cohort = int(said) if said.isdecimal() and int(said) < COHORTS else 0
    return Told(secret, cohort, meta.get(_REASON, ""))


def turned_down(request: HttpRequest, told: Told, name: str, kind: Kind) -> HttpResponseBase | None:
    """What is said to a request that an edge would have had the service answer, if it may not.

    That is what was said of the client's credentials when the edge wanted a token; or that this
    side may not answer where the service has not.
    """
    if told.reason == REFUSED:
        refused = identity.known(request).refused or identity.forged(request)
        owned = kind is Kind.COMMAND and known.door(name) is not None
        if refused is not None or owned:
            return refused
    if told.reason not in {FALLBACK, REFUSED} or placing.fallback(name, kind):
        return None
    message = f"{name} can't be reached: try again"
    return refusal(503, "Unavailable", message, retry_after=RETRY_AFTER)
