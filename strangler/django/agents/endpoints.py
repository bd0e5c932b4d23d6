"""Where agents ask. Each proves which party it is; nobody outside gets here through an edge.

Whoever waits for news keeps a thread, so waiting is for processes that have several: with sync
workers everybody is answered at once, and asks again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from django.db import Error, connections
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from strangler.django import conf
from strangler.django.agents import registry, telling
from strangler.django.control_plane import ledger
from strangler.django.control_plane.errors import ControlPlaneAway
from strangler.django.edge.answers import RETRY_AFTER, refusal
from strangler.ports import runtime
from strangler.ports.headers import CONTEXT
from strangler.ports.trust.tokens import NOTHING, TokenRefused, Use, verify
from strangler.routing import news

LIMIT: Final = 1024 * 1024
"""Bytes of a message at most."""
T = TypeVar("T")
View = TypeVar("View", bound=Callable[..., HttpResponseBase])


class _Refused(Exception):
    """This message is not taken."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__()
        self.response = response


def _for_agents(view: View) -> View:
    """Neither in a transaction nor for users, whatever a project does with its other views.

    What an agent says is seen while it waits, and what is new by it; with ATOMIC_REQUESTS neither
    would be, and on SQLite nobody else could write meanwhile.
    """
    view.login_required = False  # type: ignore[attr-defined]  # Django's LoginRequiredMiddleware
    for alias in connections:
        view = non_atomic_requests(alias)(view)
    return view


@csrf_exempt
@_for_agents
@require_POST
def follow(request: HttpRequest) -> HttpResponseBase:
    """An agent reports, and hears what it has not heard yet: 204 where there is nothing."""
    return _answered(request, "follow", news.report, partial(_follow, request))


@csrf_exempt
@_for_agents
@require_POST
def count(request: HttpRequest) -> HttpResponseBase:
    """An edge tells what it has answered."""
    return _answered(request, "count", news.counts, _count)


def _follow(request: HttpRequest, party: str, said: news.Report) -> HttpResponse:
    registry.heard(party, said)
    if said.leaves:
        return HttpResponse(status=204)
    patience = said.wait if request.META.get("wsgi.multithread") else 0.0
    latest = telling.other_than(said.digest, within=patience)
    if latest is None:
        return HttpResponse(status=204)
    return HttpResponse(news.encode(latest), content_type="application/json")


def _count(party: str, said: news.Counts) -> HttpResponse:
    if party != news.EDGE:
        message = f"only an edge answers clients, and this is {party}"
        return refusal(403, "NoEdge", message)
    try:
        last = registry.count(party, said)
    except registry.NotReported as unknown:
        return refusal(409, "NotReported", str(unknown))
    if last > said.batch:
        return HttpResponse(news.encode(news.Behind(last=last)), content_type="application/json")
    return HttpResponse(status=204)


def _answered(
    request: HttpRequest,
    action: str,
    read: Callable[[bytes], T],
    answer: Callable[[str, T], HttpResponse],
) -> HttpResponse:
    try:
        body = _body(request)
        with ledger.reaching():
            party = _party(request, action, body)
            return answer(party, read(body))
    except _Refused as refused:
        return refused.response
    except news.BadMessage as wrong:
        return refusal(400, "BadMessage", str(wrong))
    except (ControlPlaneAway, Error) as away:
        return refusal(503, "ControlPlaneAway", str(away), retry_after=RETRY_AFTER)


def _body(request: HttpRequest) -> bytes:
    body = request.read(LIMIT + 1)
    if len(body) > LIMIT:
        raise _Refused(refusal(413, "TooLarge", f"a message has at most {LIMIT} bytes"))
    return body


def _party(request: HttpRequest, action: str, body: bytes) -> str:
    """Who says this.

    Raises:
        _Refused: nobody whom we know, or nobody who has an agent.
    """
    wiring = runtime.wiring
    token = request.headers.get(CONTEXT)
    if wiring.keyring is None or token is None:
        raise _Refused(refusal(403, "TokenRefused", NOTHING))
    try:
        proved = verify(
            wiring.keyring,
            token,
            use=Use.AGENT,
            action=action,
            once=True,
            body=body,
            target=request.path,
            replays=wiring.replays,
        )
    except TokenRefused as refused:
        raise _Refused(refusal(403, "TokenRefused", refused.reason)) from refused
    party = proved.caller or ""
    if party not in {news.EDGE, conf.settings().party, *conf.manifest().capabilities}:
        raise _Refused(refusal(403, "TokenRefused", f"{party} has no agent here"))
    return party
