"""Who a request is from: the user, whether a browser vouched for it, and the client's cohort."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings as django_settings
from django.contrib.auth import get_user
from django.core.signals import setting_changed
from django.http import HttpRequest, HttpResponseBase
from django.http.cookie import parse_cookie
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.module_loading import import_string

from strangler.django import conf
from strangler.ladder import COHORTS
from strangler.manifest.values import SAFE
from strangler.ports.context import User
from strangler.routing import cohorts

COOKIE = "strangler_cohort"
"""The edge's own cookie: a number from 0 to 999, drawn on the first visit to a capability."""
_KNOWN = "_strangler_known"
_YEAR = 365 * 24 * 3600
_NUMBERS = {str(number): number for number in range(COHORTS)}


@cache
def _identify() -> Callable[[HttpRequest], User | None]:
    path = conf.settings().identify
    return import_string(path) if path else logged_in


class CredentialsRefused(Exception):
    """What ``IDENTIFY`` raises for credentials that do not hold, where the monolith refuses them.

    ``response`` is the monolith's answer to whoever shows them. A service would know nobody, and
    answer in another way; so it is never asked.
    """

    def __init__(self, response: HttpResponseBase) -> None:
        super().__init__(str(response.status_code))
        self.response = response


class Known(NamedTuple):
    """Whom the monolith knows a client as, or how it refuses the client's credentials."""

    user: User | None
    refused: HttpResponseBase | None = None


def known(request: HttpRequest) -> Known:
    """What ``STRANGLER["IDENTIFY"]`` says; it is asked once for each request."""
    found: Known | None = request.__dict__.get(_KNOWN)
    if found is None:
        try:
            found = Known(_identify()(request))
        except CredentialsRefused as refused:
            found = Known(None, refused.response)
        request.__dict__[_KNOWN] = found
    return found


def user(request: HttpRequest) -> User | None:
    """Whom the monolith knows this client as; nobody, if its credentials do not hold."""
    return known(request).user


def logged_in(request: HttpRequest) -> User | None:
    """Whoever Django says is logged in; the role ``staff`` for whoever may enter the admin."""
    found: Any = getattr(request, "user", None)
    if found is None or not found.is_authenticated:
        return None
    return User(str(found.pk), ("staff",) if getattr(found, "is_staff", False) else ())


def forged(request: HttpRequest) -> HttpResponseBase | None:
    """Django's own refusal of an unsafe request that another site may have made a browser send.

    Only a request whose user is known by a session cookie can be forged so. One whose user would
    be the same without any cookie, by a bearer token say, is let through, as it is where the
    monolith answers; a credential that is not what the user is known by changes nothing.
    """
    if request.method in SAFE or django_settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return None
    by = user(request)
    if by is None or user(_without_cookies(request)) == by:
        return None
    check = CsrfViewMiddleware(_unreachable)
    check.process_request(request)
    return check.process_view(request, _unreachable, (), {})


def _without_cookies(request: HttpRequest) -> HttpRequest:
    """The request as a client would have made it that keeps no cookies, and so has no session."""
    # Not copy.copy: that is Django's way of pickling one, which loses the body.
    bare: Any = object.__new__(type(request))
    bare.__dict__.update(request.__dict__)
    for cached in ("headers", "_cached_user", "_acached_user", _KNOWN):
        bare.__dict__.pop(cached, None)
    bare.META = {key: value for key, value in request.META.items() if key != "HTTP_COOKIE"}
    bare.environ = bare.META
    bare.COOKIES = {}
    if (session := getattr(request, "session", None)) is not None:
        bare.session = type(session)()
        bare.user = get_user(bare)
    return bare  # type: ignore[no-any-return]  # made above, of the request's own type


def _unreachable(_request: HttpRequest) -> HttpResponseBase:
    raise NotImplementedError("CsrfViewMiddleware is asked for its verdict only")


class Found(NamedTuple):
    """A client's cohort; ``cookie`` is what its cookie shall say from now on, None to leave it."""

    cohort: int
    cookie: int | None = None


class Sticky:
    """What a client's cohort comes from: the manifest's ``edge.sticky``, first found first.

    The cookie is not there on a first visit, so whatever comes next in the list decides then, and
    the cookie from the second visit on. If nothing at all is there, the number that is drawn for
    the cookie decides at once.
    """

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = tuple(
            f"HTTP_{key.removeprefix('header:').upper().replace('-', '_')}"
            if key.startswith("header:")
            else key
            for key in keys
        )

    def look(self, meta: Mapping[str, Any]) -> Found:
        """The cohort of the client that sends this; a random one if it shows nothing to keep."""
        visit = False
        for key in self._keys:
            if key == "cookie":
                known = kept(meta)
                if known is not None:
                    return Found(known)
                visit = True
            elif said := meta.get("REMOTE_ADDR" if key == "address" else key):
                return Found(cohorts.hashed(_text(said)), cohorts.draw() if visit else None)
        drawn = cohorts.draw()
        return Found(drawn, drawn if visit else None)


def kept(meta: Mapping[str, Any]) -> int | None:
    """The cohort that the client's cookie says; None for none, or for one that can't be."""
    header = meta.get("HTTP_COOKIE")
    if not header or COOKIE not in header:
        return None
    return _NUMBERS.get(parse_cookie(header).get(COOKIE, ""))


def give(response: HttpResponseBase, cohort: int, *, secure: bool) -> None:
    """Set the cookie."""
    response.set_cookie(
        COOKIE, str(cohort), max_age=_YEAR, httponly=True, samesite="Lax", secure=secure
    )


def _forget(*, setting: str, **_: object) -> None:
    if setting == "STRANGLER":
        _identify.cache_clear()


setting_changed.connect(_forget)


def _text(value: str) -> str:
    """A header as its bytes are meant: WSGI hands them over as Latin-1."""
    return value.encode("latin-1", "replace").decode("utf-8", "surrogateescape")
