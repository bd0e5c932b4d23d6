"""Which partitions are this process's to read: fair parts of a consumer's, each by lease.

A bus that has no such thing of its own brings a table of leases; what is wanted of it is decided
here. Whoever has more than its part gives up what is too much, and whoever has less takes what is
free or whose holder has gone. A holder stays one for ``TTL`` after it was last heard of.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

TTL: Final = 15.0
"""Seconds after which others go on with what a process held that says nothing any more."""
LOOK: Final = 1.0
"""Seconds between two looks at who else is there."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Who reads for a consumer, and who holds what. A holder that is not there holds nothing."""

    there: Collection[str]
    holders: Mapping[str, str]


class Leases(ABC):
    """The leases of one consumer, as one process of it sees them."""

    me: str
    """By what the others know this process."""

    @abstractmethod
    def look(self) -> Standing:
        """Be there for ``TTL`` from now on, and see who else is."""

    @abstractmethod
    def take(self, names: Sequence[str]) -> Collection[str]:
        """Hold these, as far as nobody does who is there; which of them it has become."""

    @abstractmethod
    def leave(self, names: Sequence[str]) -> None:
        """Hold these no more."""

    @abstractmethod
    def quit(self) -> None:
        """Hold nothing, and be there no more."""


def wanted(names: Sequence[str], standing: Standing, me: str) -> tuple[list[str], list[str]]:
    """What to take and what to leave, so that everybody who is there gets a fair part."""
    order = sorted({me, *standing.there})
    least, over = divmod(len(names), len(order))
    part = least + (order.index(me) < over)
    mine = [name for name in names if standing.holders.get(name) == me]
    free = [name for name in names if standing.holders.get(name) not in order]
    return free[: max(part - len(mine), 0)], mine[part:]


class Share:
    """What this process holds. Not shared between threads."""

    def __init__(
        self,
        leases: Leases,
        names: Sequence[str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.held: list[str] = []
        self._leases = leases
        self._names = names
        self._clock = clock
        self._next = 0.0

    @property
    def due(self) -> float:
        """Seconds until there should be another look."""
        return self._next - self._clock()

    def look(self) -> Collection[str]:
        """See who is there, and take or leave what is fair; ``held`` says what has come of it.

        Returns:
            What has become this process's by now: others may have read it meanwhile.
        """
        me = self._leases.me
        standing = self._leases.look()
        take, leave = wanted(self._names, standing, me)
        if leave:
            self._leases.leave(leave)
        taken = set(self._leases.take(take)) if take else set()
        kept = {name for name, holder in standing.holders.items() if holder == me} - set(leave)
        self.held = [name for name in self._names if name in kept | taken]
        self._next = self._clock() + LOOK
        return taken

    def forget(self) -> None:
        """Believe nothing any more: look before anything is read."""
        self.held = []
        self._next = 0.0

    def quit(self) -> None:
        """Let the others have it all."""
        self.held = []
        self._leases.quit()
