"""What exactly a client asked for: path and query string as they were sent, before any decoding.

Where a project is mounted under a prefix (``SCRIPT_NAME``), all paths here are without it, as
Django routes them: the manifest's routes, and what a service is asked for, know of no prefix. So a
service that writes links writes them without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
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

    It is without the prefix under which the project is mounted, and without a fragment after the
    query, which every reader drops. Where the server does not tell (Django's runserver), it is
    ``seen``.
    """
    meta = request.META
    raw = meta.get("RAW_URI") or meta.get("REQUEST_URI")
    if not raw:
        return seen(request)
    if raw[0] == "/":
        path, _, query = raw.partition("?")
        return Target(_routed(path, meta), query.partition("#")[0])
    # The absolute form, "GET http://host/path", which every server has to accept.
    parts = urlsplit(raw)
    return Target(_routed(parts.path, meta), parts.query)


def seen(request: HttpRequest) -> Target:
    """The target quoted anew from what Django sees, so that both arms see the same."""
    return Target(quote(request.path_info, safe=_AS_IT_IS), request.META.get("QUERY_STRING", ""))


def _routed(path: str, meta: Mapping[str, Any]) -> str:
    return path.removeprefix(meta.get("SCRIPT_NAME", "")) or "/"
