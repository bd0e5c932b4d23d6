"""What the edge itself answers, and how a service's answer becomes Django's."""

from __future__ import annotations

from collections.abc import Generator

from django.http import HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse

from strangler.django.doors import fencing
from strangler.django.edge import cookies
from strangler.django.edge.client_headers import incoming
from strangler.django.edge.proxy import Answered, Broken
from strangler.ports.errors import DoorShut, NotOwner
from strangler.ports.headers import EPOCH, EXECUTED, OWNER

RETRY_AFTER = 1
"""Seconds after which a client is asked to try again."""


class RefusedRequest(Exception):
    """This request goes nowhere; ``response`` says why."""

    def __init__(self, response: HttpResponseBase) -> None:
        super().__init__()
        self.response = response


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


def turned_away(error: NotOwner | DoorShut) -> HttpResponse:
    """What is said to a command that has not come in by any door: 421 to who can go elsewhere."""
    if isinstance(error, DoorShut):
        message = "It changes owner at this moment. Nothing has been done; try again shortly."
        response = refusal(503, DoorShut.__name__, message, retry_after=1)
        response.headers[EXECUTED] = "no"
        return response
    response = refusal(421, NotOwner.__name__, str(error))
    response.headers[EPOCH] = str(error.epoch)
    if error.owner is not None:
        response.headers[OWNER] = error.owner.value
    return response


def fenced(response: HttpResponseBase) -> HttpResponseBase:
    """What is said instead of this response to a request that the fence has met.

    Whatever the view has made of it: nothing of the transaction is there.
    """
    found = fencing.taken()
    if found is None:
        return response
    if found.inside:
        return refusal(500, "InternalError", "Something went wrong on our side.", executed=True)
    if found.owner is None:
        message = f"{found.capability} changes owner at this moment: nobody writes it. Try again."
        return refusal(503, "Fenced", message, retry_after=RETRY_AFTER, executed=True)
    message = (
        f"This writes rows of {found.capability}, which the {found.owner} owns, and is none of "
        f"its commands: {found.writer}"
    )
    return refusal(409, "Fenced", message, executed=True)


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
