"""The monolith's port endpoint: where services call ports, whichever arm answers them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from strangler.django import conf, contracts
from strangler.django.shadow.readonly import read_only
from strangler.manifest import Capability
from strangler.ports.context import Context
from strangler.ports.declare import Port
from strangler.ports.serve import LIMIT, dispatch


@csrf_exempt
@require_POST
def call(request: HttpRequest, capability: str, method: str) -> HttpResponse:
    """Answer one call, or have it answered where the routing table says."""
    known = conf.manifest().capabilities.get(capability)
    answer = dispatch(
        capability,
        method,
        request.read(LIMIT + 1),
        request.headers,
        callers=known.callers if known else (),
        port=_port(known) if known else None,
        ladder=True,
        around=_around,
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


def _around(context: Context) -> AbstractContextManager[None]:
    """What a call runs in: one that is made for a comparison changes nothing."""
    return read_only() if context.shadow else nullcontext()
