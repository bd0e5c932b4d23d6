"""What the edge itself answers, and how a service's answer becomes Django's."""

from __future__ import annotations

from collections.abc import Generator

from django.http import HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse

from strangler.django.edge import cookies
from strangler.django.edge.client_headers import incoming
from strangler.django.edge.proxy import Answered, Broken
from strangler.ports.headers import EXECUTED


def refusal(
    status: int, error: str, message: str, *, retry_after: int | None = None, executed: bool = False
) -> HttpResponse:
    """A problem in the one shape that every face has; nothing was executed unless it says so."""
    body = {"error": error, "message": message, "detail": {}}
    response = JsonResponse(body, status=status)
    response.headers["Cache-Control"] = "no-store"
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    if not executed:
        response.headers[EXECUTED] = "no"
    return response


def relayed(answered: Answered, *, head: bool) -> HttpResponseBase:
    """A service's answer, as it came, for the client.

    Raises:
        Broken: no client could be given such an answer.
    """
    try:
        return _relayed(answered, head=head)
    except ValueError as error:
        answered.discard()
        raise Broken(f"an answer that can't be passed on: {error}", late=False) from error


def _relayed(answered: Answered, *, head: bool) -> HttpResponseBase:
    response: HttpResponseBase
    if answered.rest is None:
        response = HttpResponse(answered.content, status=answered.status)
        length = answered.header("content-length") if head else str(len(answered.content))
        if length is not None and not (answered.status in _BODYLESS and not answered.content):
            response.headers["Content-Length"] = length
    else:
        response = StreamingHttpResponse(_chained(answered), status=answered.status)
    del response.headers["Content-Type"]
    for name, value in incoming(answered.headers):
        if name.lower() == "set-cookie":
            cookies.pass_on(response, value)
        elif name in response.headers:
            response.headers[name] = f"{response.headers[name]}, {value}"
        else:
            response.headers[name] = value
    if answered.not_begun:
        response.headers[EXECUTED] = "no"
    return response


_BODYLESS = {204, 304}


def _chained(answered: Answered) -> Generator[bytes, None, None]:
    try:
        yield answered.content
        yield from answered.rest or ()
    finally:
        answered.discard()
