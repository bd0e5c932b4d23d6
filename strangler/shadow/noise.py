"""Which differences mean nothing: those that the monolith shows against itself.

A field that is random, or that tells the time, differs between any two answers. So for a part of
the comparisons, chosen before anybody knows how they end, the monolith is asked a second time; and
a field that was ever seen to differ from itself counts only if it differs from the service's
clearly more often than that.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable

CLEARLY = 3.0
"""Standard deviations by which one rate must exceed another to be clearly larger."""
FIELDS = 1000
"""As many fields of a route are remembered."""


class Noise:
    """How often each field of each route differs from itself, and how often from the service's.

    Safe for threads. ``route`` is any name for a kind of question; a path is that of a difference.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._from_service: defaultdict[str, _Rates] = defaultdict(_Rates)
        self._from_itself: defaultdict[str, _Rates] = defaultdict(_Rates)

    def compared(self, route: str, differing: Iterable[str]) -> None:
        """The service was asked, and its answer differed from the monolith's in these paths."""
        with self._lock:
            self._from_service[route].count(differing)

    def repeated(self, route: str, differing: Iterable[str]) -> None:
        """The monolith was asked again, and its answer differed from its own in these paths."""
        with self._lock:
            self._from_itself[route].count(differing)

    def means_nothing(self, route: str, path: str) -> bool:
        """The field differs from itself about as often as it differs from the service's."""
        with self._lock:
            own, other = self._from_itself[route], self._from_service[route]
            times = own.times(path)
            return times > 0 and not _clearly_larger(
                other.times(path), other.answers, times, own.answers
            )


def within(path: str, other: str) -> bool:
    """A path is the other one, or lies below it."""
    return path == other or path.startswith((f"{other}.", f"{other}["))


class _Rates:
    """Of how many answers, in which path, how many differed."""

    def __init__(self) -> None:
        self.answers = 0
        self._paths: Counter[str] = Counter()

    def count(self, differing: Iterable[str]) -> None:
        self.answers += 1
        for path in set(differing):
            if path in self._paths or len(self._paths) < FIELDS:
                self._paths[path] += 1

    def times(self, path: str) -> int:
        """How often it differed; a list of another length differs in all of its items."""
        return max((n for known, n in self._paths.items() if within(path, known)), default=0)


def _clearly_larger(times: int, answers: int, other_times: int, other_answers: int) -> bool:
    """Is the first rate larger than the second by more than chance explains?"""
    if not answers or not other_answers:
        return False
    rate, other = times / answers, other_times / other_answers
    pooled = (times + other_times) / (answers + other_answers)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / answers + 1 / other_answers))
    return rate - other > CLEARLY * deviation
