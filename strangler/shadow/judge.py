"""One comparison, from the monolith's answer to an outcome: who is asked, and how often."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from strangler.shadow.compare import Answer, Comparison, Difference, Kind, Rules, compare
from strangler.shadow.noise import Noise, within

REPEATED = 0.05
"""The share of the comparisons in which the monolith is asked a second time, come what may."""


class Outcome(StrEnum):
    """How one comparison ended."""

    MATCH = "match"
    IGNORED = "ignored"
    """The answers differ only in what the manifest says to ignore."""
    NOISE = "noise"
    """They differ as the monolith differs from itself, or not any more when asked again."""
    DIFFERENCE = "difference"
    CANDIDATE_ERROR = "candidate_error"
    """The service could not be asked, or failed where the monolith had an answer."""
    TIMEOUT = "timeout"
    """The service did not answer in time."""
    DROPPED = "dropped"
    """It was never asked: too much was waiting."""
    AGREED = "agreed"
    """A rehearsed command would have written the rows that were delivered, and answered alike."""
    DISAGREED = "disagreed"
    IDLE = "idle"
    """Both sides have answered alike, and written nothing: that proves little."""
    RACED = "raced"
    """Somebody else had written meanwhile, so nobody can say whose a difference is."""
    UNREHEARSED = "unrehearsed"
    """The command can't be rehearsed, or the service did not answer."""
    SKIPPED = "skipped"
    """It was chosen, but rows were still on their way, or too much was waiting."""

    @property
    def rehearsed(self) -> bool:
        """It is how a rehearsal ended."""
        return self in _REHEARSED


_REHEARSED = frozenset(
    {
        Outcome.AGREED, Outcome.DISAGREED, Outcome.IDLE, Outcome.RACED, Outcome.UNREHEARSED,
        Outcome.SKIPPED,
    }
)  # fmt: skip


class NoAnswer(Exception):
    """An arm could not be asked, or did not answer; ``late`` if it ran out of time."""

    def __init__(self, message: str, *, late: bool = False) -> None:
        super().__init__(message)
        self.late = late


class Ask(Protocol):
    """Puts the same question once more to one arm."""

    def __call__(self) -> Answer:
        """Its answer.

        Raises:
            NoAnswer: it gave none.
        """


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one comparison ended, and what differed if that counts.

    ``monolith`` and ``service`` are the statuses; 0 where there was no answer.
    """

    outcome: Outcome
    monolith: int
    service: int = 0
    differences: tuple[Difference, ...] = ()


class Judge:
    """Compares what the service answers with what the monolith answered. Safe for threads.

    Args:
        rules: what does not count, by the manifest.
        chance: a number from 0 to 1, a new one each time.
    """

    def __init__(self, rules: Rules, *, chance: Callable[[], float] = random.random) -> None:
        self._rules = rules
        self._chance = chance
        self._noise = Noise()

    def judge(
        self,
        control: Answer,
        *,
        route: str,
        service: Ask,
        monolith: Ask,
        settle: Callable[[], None] | None = None,
    ) -> Verdict:
        """How the service's answer compares with ``control``, which the client got.

        A mismatch is checked once more before it counts, for reads that raced a write: both arms
        are asked again. Where rows flow, ``settle`` waits in between until what the monolith has
        seen has reached the service; and what changes meanwhile does not count.
        """
        repeated = self._chance() < REPEATED
        try:
            candidate = service()
        except NoAnswer as failure:
            return _failed(control, failure)
        first = compare(control, candidate, self._rules)
        verdict = Verdict(Outcome.MATCH, control.status, candidate.status)
        if candidate.status >= 500 > control.status:
            return replace(verdict, outcome=Outcome.CANDIDATE_ERROR, differences=first.differences)
        self._noise.compared(route, _paths(first))
        again, own = control, None
        if repeated or not first.same:
            again, own = self._again(control, monolith)
        if repeated and own is not None:
            self._noise.repeated(route, _paths(own))
        if first.same:
            return replace(verdict, outcome=Outcome.IGNORED) if first.ignored else verdict
        if settle is not None:
            settle()
        try:
            second = compare(again, service(), self._rules)
        except NoAnswer as failure:
            return _failed(control, failure)
        itself = _paths(own) if own is not None else set()
        if settle is not None and not second.same:
            _, moved = self._again(again, monolith)
            itself |= _paths(moved) if moved is not None else set()
        left = tuple(
            difference
            for difference in first.differences
            if _same(difference, second)
            and not any(within(difference.path, path) for path in itself)
            and not self._noise.means_nothing(route, difference.path)
        )
        outcome = Outcome.DIFFERENCE if left else Outcome.NOISE
        return replace(verdict, outcome=outcome, differences=left)

    def _again(self, control: Answer, monolith: Ask) -> tuple[Answer, Comparison | None]:
        """The monolith's second answer, and how it differs from its first."""
        try:
            again = monolith()
        except NoAnswer:
            return control, None
        return again, compare(control, again, self._rules)


def _failed(control: Answer, failure: NoAnswer) -> Verdict:
    outcome = Outcome.TIMEOUT if failure.late else Outcome.CANDIDATE_ERROR
    return Verdict(outcome, control.status)


def _paths(comparison: Comparison) -> set[str]:
    return {difference.path for difference in comparison.differences}


def _same(difference: Difference, comparison: Comparison) -> bool:
    """Is it there again?"""
    seen: set[tuple[Kind, str]] = {(one.kind, one.path) for one in comparison.differences}
    return (difference.kind, difference.path) in seen
