"""The secret by which the monolith knows the edge in front of it: a file among the keys."""

from __future__ import annotations

import hmac
import os
import secrets
import time
from functools import cache
from pathlib import Path

from strangler.django import conf

FILE = "edge.secret"
_FRESH = 1.0
"""Seconds for which the file is believed to be as it was."""


def make(folder: Path) -> str:
    """The secret, which is made if there is none yet.

    Raises:
        OSError: it can't be read, or written.
    """
    found = _read(folder / FILE)
    if found is not None:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{FILE}.{os.getpid()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        os.link(draft, folder / FILE)  # somebody else's, if they were first
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return _read(folder / FILE) or make(folder)


def holds(given: str) -> bool:
    """Is this the edge's secret? Without a file nobody proves anything."""
    expected = _kept(conf.settings().keys).get()
    return expected is not None and hmac.compare_digest(
        expected.encode(), given.encode("utf-8", "replace")
    )


class _Kept:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._until = float("-inf")
        self._found: str | None = None

    def get(self) -> str | None:
        now = time.monotonic()
        if now >= self._until:
            self._found = _read(self._path)
            self._until = now + _FRESH
        return self._found


@cache
def _kept(folder: Path) -> _Kept:
    return _Kept(folder / FILE)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None
