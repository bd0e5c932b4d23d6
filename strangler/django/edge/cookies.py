"""A service's cookies: passed on as they came, but for those by which the monolith knows a client.

Nothing is parsed but the name: a parser that knows less than browsers do loses cookies, and one
that reads several out of a line lets through what was only looked at once.
"""

from __future__ import annotations

import logging
from collections.abc import Container
from http.cookies import Morsel

from django.conf import settings as django_settings
from django.http import HttpResponseBase

from strangler.django.edge import identity

_log = logging.getLogger("strangler.edge")


class Verbatim(Morsel[str]):
    """One ``Set-Cookie`` line in the shape in which Django's responses keep cookies."""

    def __init__(self, name: str, line: str) -> None:
        super().__init__()
        # Not set(), which refuses names that browsers take.
        state = {"key": name, "value": line.partition(";")[0].partition("=")[2].strip()}
        restore = super().__setstate__  # type: ignore[misc]  # typeshed does not know it
        restore({**state, "coded_value": line})

    def OutputString(self, _attrs: Container[str] | None = None) -> str:  # noqa: N802  # theirs
        """The line as it came."""
        return self.coded_value


def pass_on(response: HttpResponseBase, line: str) -> None:
    """Add a service's cookie to the response, unless it is not for a service to set."""
    name, given, _ = line.partition(";")[0].partition("=")
    name = name.strip()
    ours = {
        django_settings.SESSION_COOKIE_NAME,
        django_settings.CSRF_COOKIE_NAME,
        identity.COOKIE,
    }
    # Browsers send a cookie without a name as its bare value, which may look like another cookie.
    if not name or not given or name in ours or not (line.isascii() and line.isprintable()):
        _log.warning("a service's cookie is not passed on: %r", name)
        return
    # One name may be there for several paths.
    key = line if name in response.cookies else name
    response.cookies[key] = Verbatim(name, line)
