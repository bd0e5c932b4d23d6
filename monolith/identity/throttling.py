"""How often somebody may try; counted in the cache, by the minute."""

from __future__ import annotations

import hashlib
import time

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from monolith.identity.models import User

WINDOW = 60


def address(request: Request | HttpRequest) -> str:
    """Where a request comes from, as far as the proxies in front may be believed."""
    return str(BaseThrottle().get_ident(request))  # it looks into META only


class Attempts:
    """So many attempts of one kind a minute by the same somebody.

    An attempt is counted before it is made, so that many at once do not all pass; ``forgive`` takes
    back one that turned out well.
    """

    def __init__(self, kind: str, *whose: str, limit: int) -> None:
        self._limit = limit
        now = time.time()
        self._wait = WINDOW - now % WINDOW
        identity = hashlib.sha256("\0".join(whose).encode()).hexdigest()
        self._key = f"attempts:{kind}:{identity}:{int(now // WINDOW)}"

    def count(self) -> None:
        """One more.

        Raises:
            Throttled: it is one too many; it says how many seconds to wait.
        """
        cache.add(self._key, 0, timeout=WINDOW)
        try:
            made = cache.incr(self._key)
        except ValueError:  # it went out of the cache in between: a minute has passed
            return
        if made > self._limit:
            raise Throttled(wait=self._wait)

    def forgive(self) -> None:
        """One less."""
        try:
            cache.decr(self._key)
        except ValueError:  # ditto
            return


def password_attempt(request: Request | HttpRequest, username: str) -> list[Attempts]:
    """Count an attempt at somebody's password, by whom it aims at and by where it comes from.

    Every door counts the same, so that nobody has more guesses at another one.

    Raises:
        Throttled: it is one too many.
    """
    limit = settings.IDENTITY["LOGIN_FAILURES"]
    source, target = address(request), User.normalize_username(username)
    attempts = [
        Attempts("password", source, target, limit=limit),
        Attempts("password", source, limit=10 * limit),
    ]
    for attempt in attempts:
        attempt.count()
    return attempts


def forgive(attempts: list[Attempts]) -> None:
    """Take back an attempt that turned out well."""
    for attempt in attempts:
        attempt.forgive()
