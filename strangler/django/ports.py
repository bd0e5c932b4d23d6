"""The monolith's port endpoint: where services call ports, whichever arm answers them."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from contextlib import AbstractContextManager, nullcontext

import msgspec
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from strangler.django import conf, contracts
from strangler.django.readonly import read_only
from strangler.manifest import Capability
from strangler.ports.declare import Port
from strangler.ports.headers import CONTEXT
from strangler.ports.serve import LIMIT, dispatch


@csrf_exempt
@require_POST
def call(request: HttpRequest, capability: str, method: str) -> HttpResponse:
    """Answer one call, or have it answered where the routing table says."""
    known = conf.manifest().capabilities.get(capability)
    body = request.read(LIMIT + 1)
    with _harmless(request.headers.get(CONTEXT, "")):
        answer = dispatch(
            capability,
            method,
            body,
            request.headers,
            callers=known.callers if known else (),
            port=_port(known) if known else None,
            ladder=True,
        )
    response = HttpResponse(answer.body, status=answer.status)
    del response.headers["Content-Type"]
    for name, value in answer.headers.items():
        response.headers[name] = value
    return response


def _port(capability: Capability) -> type[Port] | None:
    try:
        return contracts.port(capability)
    except contracts.BadContract:
        return None  # The system checks say what is wrong with it.


class _Claims(msgspec.Struct):
    shd: bool = False


_claims = msgspec.json.Decoder(_Claims)


def _harmless(token: str) -> AbstractContextManager[None]:
    """What a call runs in that is made for a comparison.

    The token is only looked into here. Whoever has changed it has gained nothing: it is refused.
    """
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        shadow = _claims.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4))).shd
    except (msgspec.MsgspecError, ValueError):
        shadow = False
    return read_only() if shadow else nullcontext()
