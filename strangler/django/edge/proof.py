"""Whether somebody is the edge in front of this process: it knows the secret."""

from __future__ import annotations

import hmac
import time
from functools import cache
from pathlib import Path

from strangler.django import conf
from strangler.ports.trust import secret

_FRESH = 1.0
"""Seconds for which the file is believed to be as it was."""


def holds(given: str) -> bool:
    """Is this the edge's secret? Without a file nobody proves anything."""
    expected = _kept(conf.settings().keys).get()
    return expected is not None and hmac.compare_digest(
        expected.encode(), given.encode("utf-8", "replace")
    )


class _Kept:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._until = float("-inf")
        self._found: str | None = None

    def get(self) -> str | None:
        now = time.monotonic()
        if now >= self._until:
            self._found = secret.read(self._folder)
            self._until = now + _FRESH
        return self._found


@cache
def _kept(folder: Path) -> _Kept:
    return _Kept(folder)
