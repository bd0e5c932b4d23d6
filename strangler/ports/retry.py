"""When a call is tried again: the tree of errors says whether, the deadline says how often."""

from __future__ import annotations

import itertools
import time
from collections.abc import Awaitable, Callable
from typing import TypedDict, TypeVar

import stamina

from strangler.ports.declare import Method
from strangler.ports.errors import (
    CallRefused,
    CircuitOpen,
    NotExecuted,
    OutcomeUnknown,
    PortError,
    TooLate,
)

T = TypeVar("T")

FIRST = 0.02
"""Seconds before the second try; doubled for each one after it."""
LONGEST = 0.5
"""Seconds between two tries at most, jitter and all."""
JITTER = 0.05
"""Seconds by which a wait is longer at random, at most."""


def again(method: Method, error: Exception) -> bool:
    """Is trying again safe, and of any use?

    What has not been executed may be tried again, unless it would only be refused again: by the
    callee, by an open breaker, by a deadline that has passed. What perhaps has, only if executing
    it twice is the same as once.
    """
    if isinstance(error, NotExecuted):
        return not isinstance(error, CallRefused | CircuitOpen | TooLate)
    return method.idempotent and isinstance(error, OutcomeUnknown)


def retried(
    method: Method, attempt: Callable[[], T], *, first: PortError, attempts: int, deadline: float
) -> T:
    """Try again, after the first try has failed with ``first``.

    The first try is made without this, because almost all calls need no second one.

    Raises:
        PortError: how the last try ended.
    """
    tries = itertools.count()

    def turn() -> T:
        if next(tries) == 0:
            raise first
        return attempt()

    turn.__qualname__ = str(method)  # what stamina writes in its log
    return stamina.retry(**_patience(method, attempts, deadline))(turn)()


async def retried_async(
    method: Method,
    attempt: Callable[[], Awaitable[T]],
    *,
    first: PortError,
    attempts: int,
    deadline: float,
) -> T:
    """The same as ``retried`` for callers that await.

    Raises:
        PortError: how the last try ended.
    """
    tries = itertools.count()

    async def turn() -> T:
        if next(tries) == 0:
            raise first
        return await attempt()

    turn.__qualname__ = str(method)
    return await stamina.retry(**_patience(method, attempts, deadline))(turn)()


class _Patience(TypedDict):
    on: Callable[[Exception], bool]
    attempts: int
    timeout: None
    wait_initial: float
    wait_max: float
    wait_jitter: float


def _patience(method: Method, attempts: int, deadline: float) -> _Patience:
    longest = min(LONGEST, max(deadline - time.monotonic(), 0.0) / 4)

    def on(error: Exception) -> bool:
        # A wait that could outlast the deadline is not begun.
        return again(method, error) and time.monotonic() + longest < deadline

    return _Patience(
        on=on,
        attempts=attempts,
        timeout=None,
        wait_initial=min(FIRST, longest),
        wait_max=longest,
        wait_jitter=JITTER,
    )
