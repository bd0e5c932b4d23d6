"""The bulkhead: how many calls of a capability may be under way at once."""

from __future__ import annotations

from collections import deque
from types import TracebackType

from strangler.ports import forks
from strangler.ports.errors import BulkheadFull


class Bulkhead:
    """A bounded number of places, shared by threads and tasks; whoever finds none is told at once.

    A context manager that holds one place and may be entered by many at a time.
    """

    def __init__(self, name: str, places: int) -> None:
        self._name = name
        self.places = places
        self.after_fork()
        forks.watch(self)

    def after_fork(self) -> None:
        """The calls under way are the parent's."""
        # Appending to a deque and popping from it are atomic: no lock, none to inherit.
        self._free = deque([None] * self.places)

    def __enter__(self) -> None:
        """Take a place.

        Raises:
            BulkheadFull: all are taken.
        """
        try:
            self._free.pop()
        except IndexError:
            raise BulkheadFull(
                f"{self._name}: {self.places} calls are under way already (resilience.concurrency)"
            ) from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._free.append(None)
