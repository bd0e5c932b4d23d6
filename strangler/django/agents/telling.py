"""The routing table as agents are told it, and those who wait until there is another."""

from __future__ import annotations

import threading
import time

from strangler.django.control_plane import state
from strangler.ports import forks
from strangler.routing.news import News

LOOK = 0.02
"""Seconds between two looks for a newer revision, however many agents wait in this process."""


def news() -> News | None:
    """The latest; None while nothing has ever moved.

    Raises:
        django.db.Error: the database is away.
    """
    while True:
        revision = state.revision()
        states = state.read_all()
        if revision == state.revision():
            break
    if not revision:
        return None
    entries = state.entries(states)
    return News(
        revision=revision,
        entries={name: entry.to_json() for name, entry in entries.items()},
        groups=state.groups(),
        since={name: one.since_revision for name, one in states.items()},
    )


def other_than(digest: str, *, within: float) -> News | None:
    """What is news to somebody who has heard this; None if there is none within some seconds.

    Raises:
        django.db.Error: the database is away.
    """
    until = time.monotonic() + within
    while True:
        revision = _looking.revision(fresh=True)
        latest = news()
        if latest is not None and latest.digest != digest:
            return latest
        while _looking.revision() == revision:
            if time.monotonic() >= until:
                return None
            time.sleep(LOOK)


class _Looking:
    """The revision, asked of the database once for all who wait."""

    def __init__(self) -> None:
        self.after_fork()
        forks.watch(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._until = float("-inf")
        self._revision = 0

    def revision(self, *, fresh: bool = False) -> int:
        with self._lock:
            if fresh or time.monotonic() >= self._until:
                self._revision = state.revision()
                self._until = time.monotonic() + LOOK
            return self._revision


_looking = _Looking()
