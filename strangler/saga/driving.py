"""Doing the steps of one saga, for as long as its lease is ours."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from strangler.ports.calling.door import entered
from strangler.ports.context import current
from strangler.ports.errors import PortError
from strangler.saga.course import Course, outcome
from strangler.saga.declare import Here, Saga, Step
from strangler.saga.errors import BadData, TakenOver
from strangler.saga.machine import State
from strangler.saga.store import Change, Record, Store

PATIENCE = 8.0
"""Seconds that a local step waits for its capability's door: longer than a freeze may take."""

_log = logging.getLogger("strangler.saga")


class Drive:
    """One holder's way with one saga.

    Args:
        store: where it is kept.
        saga: its declaration.
        record: as it was written when the lease became ours.
        data: the same as in the record.
        course: says what is written.
        clock: says when.
    """

    def __init__(
        self,
        store: Store,
        saga: Saga[Any],
        record: Record,
        data: Any,
        *,
        course: Course,
        clock: Callable[[], float],
    ) -> None:
        self.record = record
        self.data = data
        self._store = store
        self._saga = saga
        self._course = course
        self._clock = clock

    def on(self) -> None:
        """Do step after step, until it has ended, has to wait, or time is up.

        Raises:
            TakenOver: somebody else has gone on with it.
        """
        while self.record.holder:
            before = self.record
            step = self._saga.steps[before.standing.at]
            if step.local:
                self._local(step)
            else:
                self._remote(step)
            _tell(before, self.record, self._clock())

    def _remote(self, step: Step[Any]) -> None:
        try:
            data = self._act(step)
        except Exception as error:  # noqa: BLE001 - whatever it is, it says how the try has ended
            self._failed(step, error)
        else:
            self._write(self._course.done(self.record, self._clock(), data=self._text(data)))
            self.data = data

    def _local(self, step: Step[Any]) -> None:
        made: list[Any] = []

        def work() -> Change:
            data = self._act(step)
            made.append(data)
            return self._course.done(self.record, self._clock(), data=self._text(data))

        try:
            with entered(self._saga.capability, _patience()):
                self.record = self._store.write_with(self.record, work)
        except TakenOver:
            raise
        except Exception as error:  # noqa: BLE001 - ditto; and nothing of it is there
            self._failed(step, error)
        else:
            self.data = made[-1]

    def _act(self, step: Step[Any]) -> Any:
        record = self.record
        back = record.standing.back
        attempt = record.standing.attempts
        here = Here(record.id, step.name, attempt, record.cause, record.reason)
        data = step.act(back=back)(self.data, here)
        data = self.data if data is None else data
        self._text(data)  # what can't be written is noticed where it was made
        return data

    def _text(self, data: Any) -> str:
        return self._saga.written.encode(data)

    def _failed(self, step: Step[Any], error: Exception) -> None:
        if not isinstance(error, PortError):
            bad = "its data can't be written" if isinstance(error, BadData) else "it raised"
            _log.error("%s, step %s: %s", _named(self.record), step.name, bad, exc_info=error)
        event = outcome(step, error, back=self.record.standing.back)
        self._write(self._course.failed(self.record, self._clock(), event, error))

    def _write(self, change: Change) -> None:
        self._store.write(self.record, change)
        self.record = change.after


def _patience() -> float:
    until = time.monotonic() + PATIENCE
    deadline = current().deadline
    return until if deadline is None else min(until, deadline)


def _named(record: Record) -> str:
    return f"the saga {record.name} {record.id}"


def _tell(before: Record, record: Record, now: float) -> None:
    """What somebody might have to know."""
    if record.state is State.STUCK:
        _log.error("%s is stuck at %s: %s", _named(record), record.step, record.trouble)
    elif record.state is not before.state:
        if record.cause:
            said = (_named(record), record.state, record.cause, record.reason)
            _log.info("%s is %s: %s: %s", *said)
    elif record.late(now):
        _log.warning("%s is late at %s: %s", _named(record), record.step, record.trouble)
