"""When a call is tried again: the tree of errors says whether, the deadline says how often."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TypedDict, TypeVar

import stamina

from strangler.ports.declare import Method
from strangler.ports.errors import (
    CallRefused,
    CircuitOpen,
    NotExecuted,
    NotOwner,
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
    callee, by an open breaker, by a deadline that has passed, by a side that does not own the rows
    (the other one may). What perhaps has, only if executing
    it twice is the same as once.
    """
    if isinstance(error, NotExecuted):
        return not isinstance(error, CallRefused | CircuitOpen | NotOwner | TooLate)
    return method.idempotent and isinstance(error, OutcomeUnknown)


def retried(
    method: Method, attempt: Callable[[], T], *, first: PortError, attempts: int, deadline: float
) -> T:
    """Try again, after the first try has failed with ``first``.

    The first try is made without this, because almost all calls need no second one.

    Raises:
        PortError: how the last try ended; but an ``OutcomeUnknown`` if any try ended so, since that
            the last one was not executed says nothing about the others.
    """
    tries = _Tries(first)

    def turn() -> T:
        with tries:
            return attempt()

    turn.__qualname__ = str(method)  # what stamina writes in its log
    try:
        return stamina.retry(**_patience(method, attempts, deadline))(turn)()
    except NotExecuted as error:
        if tries.worst is error:
            raise
        raise tries.worst from error


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
        PortError: as ``retried`` does.
    """
    tries = _Tries(first)

    async def turn() -> T:
        with tries:
            return await attempt()

    turn.__qualname__ = str(method)
    try:
        return await stamina.retry(**_patience(method, attempts, deadline))(turn)()
    except NotExecuted as error:
        if tries.worst is error:
            raise
        raise tries.worst from error


class _Tries:
    """Stands around each try, of which the first has failed already.

    ``worst`` is what the caller has to know in the end: that some try was perhaps executed, though
    the last one was not; and what time ran out with, rather than that it did.
    """

    def __init__(self, first: PortError) -> None:
        self._first: PortError | None = first
        self.worst: PortError = first

    def __enter__(self) -> None:
        if self._first is not None:
            first, self._first = self._first, None
            raise first

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, TooLate) or not isinstance(error, NotExecuted | OutcomeUnknown):
            return
        if isinstance(error, OutcomeUnknown) or not isinstance(self.worst, OutcomeUnknown):
            self.worst = error


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
