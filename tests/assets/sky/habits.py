"""Habits of projects that the kit has to live with."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from strangler.django.edge.identity import CredentialsRefused, logged_in
from strangler.ports.context import User


def by_header(request: HttpRequest) -> User | None:
    """A project that knows its users by a header of its own."""
    who = request.headers.get("X-Who")
    return User(who, ("guest",)) if who else None


def by_name(request: HttpRequest) -> User | None:
    """The same, but for those who only pretend."""
    if request.headers.get("X-Who") == "nobody":
        raise CredentialsRefused(HttpResponse(b"you are not", status=401))
    return by_header(request)


def by_either(request: HttpRequest) -> User | None:
    """By that header, or else by their session."""
    return by_header(request) or logged_in(request)


def greedy(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """A middleware that reads the body and leaves nothing of it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.read()
        return get_response(request)

    return middleware
