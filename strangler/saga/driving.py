"""Doing the steps of one saga, for as long as its lease is ours."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from strangler.ports.calling.door import entered
from strangler.ports.context import current
from strangler.ports.errors import DoorShut, NotOwner, PortError
from strangler.saga.course import Course, outcome
from strangler.saga.declare import Here, Saga, Step
from strangler.saga.errors import BadData, NotNow, TakenOver, Unfit
from strangler.saga.fitting import read
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
        data = step.act(back=self.record.standing.back)(self.data, _here(self.record))
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


def abandon(store: Store, saga: Saga[Any] | None, record: Record, change: Change) -> None:
    """Write down that an operator has ended it, and what its declaration says of that.

    Raises:
        TakenOver: it is not as it was any more.
        NotNow: see there.
        Exception: whatever the declaration's own raises; then it is not abandoned.
    """
    said = _leaving(saga, record)
    if saga is None or said is None:
        store.write(record, change)
        return

    def work() -> Change:
        said()
        return change

    try:
        with entered(saga.capability, _patience()):
            store.write_with(record, work)
    except (DoorShut, NotOwner) as error:
        raise NotNow(record.id, str(error)) from error


def _leaving(saga: Saga[Any] | None, record: Record) -> Callable[[], object] | None:
    if saga is None:
        _log.warning("%s is not declared here: nothing is written but its own row", _named(record))
        return None
    if saga.abandoned is None:
        return None
    try:
        data = read(saga, record.data)
    except Unfit as error:
        _log.warning("%s: %s: nothing is written but its own row", _named(record), error)
        return None
    return partial(saga.abandoned, data, _here(record))


def _here(record: Record) -> Here:
    step = record.steps[record.standing.at]
    return Here(record.id, step, record.standing.attempts, record.cause, record.reason)


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
