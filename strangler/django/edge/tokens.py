"""What an edge in front asks the monolith: for whom is this, and may it go to the service?

The answer is a token for one service and one method, good for one delivery where it is for a
command. There is none where the monolith would answer for itself: to credentials that do not hold,
and to a request that another site may have made a browser send. The edge then asks the monolith.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from strangler.django import conf
from strangler.django.edge import fronted, identity, proof
from strangler.django.edge.answers import refusal
from strangler.django.edge.contexts import Outside
from strangler.django.ports import placing
from strangler.ladder import Arm
from strangler.ports import runtime
from strangler.ports.headers import CONTEXT, TARGET, face
from strangler.ports.trust.tokens import NOTHING, Use, mint

_KINDS = ("queries", "commands")


@csrf_exempt
def token(request: HttpRequest, capability: str, kind: str) -> HttpResponseBase:
    """204, and the token among the headers; ``request`` has the method and headers of the client's.

    Its body is not here: forms that bring their CSRF token there go through the monolith.
    """
    told = fronted.told(request.META)
    if told is None or not proof.holds(told.secret):
        return refusal(403, "TokenRefused", NOTHING)
    keyring = runtime.wiring.keyring
    if capability not in conf.manifest().capabilities or kind not in _KINDS or keyring is None:
        return refusal(404, "NotFound", "There is no such capability, or there are no keys here.")
    response = HttpResponse(status=204)
    known = identity.known(request)
    if known.refused is not None or identity.forged(request) is not None:
        return response
    once = kind == "commands"
    context = Outside(request, identity.Sticky(conf.manifest().edge.sticky), told=told)
    response.headers[CONTEXT] = mint(
        keyring,
        context.replace(hops=1, epoch=placing.epoch(capability) if once else 0),
        audience=runtime.wiring.audience(capability, Arm.SERVICE),
        use=Use.HTTP,
        action=face(capability, request.method or "GET"),
        once=once,
        target=_target(request) if once else None,
    )
    return response


def _target(request: HttpRequest) -> str:
    """What the service will see in the request line: no fragment, and no empty query string."""
    return request.headers.get(TARGET, "").partition("#")[0].removesuffix("?")
