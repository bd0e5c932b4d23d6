"""What is remembered for a while, and never grows beyond a limit."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from strangler.ports import forks

K = TypeVar("K")
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """Values that expire: what was put there first goes first. Threads read without a lock."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: dict[K, tuple[float, V]] = {}
        self.after_fork()
        forks.watch(self)

    def after_fork(self) -> None:
        """A lock of the child's own."""
        self._lock = threading.Lock()

    def get(self, key: K, now: float) -> V | None:
        """The value, None if there is none or its time is up."""
        found = self._entries.get(key)
        return found[1] if found is not None and now < found[0] else None

    def put(self, key: K, value: V, until: float) -> None:
        """Remember a value until then, on whatever clock ``get`` is asked by."""
        with self._lock:
            self._entries.pop(key, None)
            self._entries[key] = (until, value)
            if len(self._entries) > self._limit:
                del self._entries[next(iter(self._entries))]
