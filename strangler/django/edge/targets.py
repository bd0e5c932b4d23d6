"""What exactly a client asked for: path and query string as they were sent, before any decoding."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote, urlsplit

from django.http import HttpRequest

_AS_IT_IS = "/~!$&'()*+,;=:@"


class Target(NamedTuple):
    """Where a request goes. As text it is what stands in a request line."""

    path: str
    query: str

    def __str__(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path


def sent(request: HttpRequest) -> Target:
    """The target as the client sent it: ``RAW_URI`` of gunicorn, or ``REQUEST_URI`` of others.

    Where the server does not tell (Django's runserver), it is ``seen``.
    """
    meta = request.META
    raw = meta.get("RAW_URI") or meta.get("REQUEST_URI")
    if not raw:
        return seen(request)
    if raw[0] == "/":
        path, _, query = raw.partition("?")
        return Target(path, query)
    # The absolute form, "GET http://host/path", which every server has to accept.
    parts = urlsplit(raw)
    return Target(parts.path or "/", parts.query)


def seen(request: HttpRequest) -> Target:
    """The target quoted anew from what Django sees, so that both arms see the same."""
    return Target(quote(request.path, safe=_AS_IT_IS), request.META.get("QUERY_STRING", ""))
