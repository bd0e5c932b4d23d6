"""The kit's engine: it does the steps itself, and keeps what it has done in a store.

No port is called inside a transaction. Before a step is tried, that is written down; so whoever
finds a saga whose holder has died knows what may have been done, and tries it again, or undoes it.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from strangler.ports.context import current, use
from strangler.saga import acting, driving, fitting
from strangler.saga.course import LARGEST, Course, unread
from strangler.saga.declare import Saga
from strangler.saga.engine import Engine, Seen, Shown
from strangler.saga.errors import (
    HasEnded,
    KeyReused,
    Newer,
    NotDeclared,
    NotStuck,
    ReasonMissing,
    TakenOver,
    Unfit,
)
from strangler.saga.machine import Event, State
from strangler.saga.store import Change, KeyTaken, Record, Store

D = TypeVar("D")
CLAIM = 10.0
"""Seconds for which a saga is ours before its own lease is known."""

_log = logging.getLogger("strangler.saga")


class Running(Engine):
    """Does the steps of the declared sagas in this process.

    Args:
        store: where sagas are kept.
        sagas: those that this process knows.
        clock: seconds since the epoch.
    """

    def __init__(
        self, store: Store, sagas: Iterable[Saga[Any]], *, clock: Callable[[], float] = time.time
    ) -> None:
        self.store = store
        self._clock = clock
        self._sagas: dict[str, Saga[Any]] = {}
        for saga in sagas:
            if self._sagas.setdefault(saga.name, saga) is not saga:
                raise TypeError(f"two sagas are called {saga.name!r}: give each its own name")

    def start(self, saga: Saga[D], data: D, *, key: str, within: float | None = None) -> Seen[D]:
        """See ``Engine``."""
        if self._declared(saga.name) is not saga:
            raise NotDeclared(saga.name, self._sagas)
        text = saga.written.encode(data)
        limit = _limit(within)
        course = self._course(saga, limit)
        locks = sorted(set(saga.locks(data))) if saga.locks is not None else []
        change = course.onward(self._new(saga, key, text), self._clock())
        with use(current().replace(deadline=limit)):
            try:
                self.store.create(change, locks)
            except KeyTaken:
                return self._again(saga, key, text, course)
            return self._drive(saga, change.after, data, course)

    def resume(self, saga: UUID) -> Seen[Any]:
        """See ``Engine``."""
        record = self.store.read(saga)
        declared = self._declared(record.name)
        if not self._is_due(record):
            return self._seen(declared, record)
        return self._take(declared, record)

    def due(self, limit: int) -> list[UUID]:
        """See ``Engine``."""
        return self.store.due(self._clock(), limit)

    def sweep(self, limit: int, *, within: float | None = None) -> int:
        """Go on with at most so many of those that are due; how many there were.

        One that can't be gone on with does not keep the others waiting. After so many seconds
        none is begun any more.
        """
        until = None if within is None else time.monotonic() + within
        for count in range(limit):
            if until is not None and time.monotonic() >= until:
                return count
            now = self._clock()
            record = self.store.claim(now, holder=_holder(), until=now + CLAIM)
            if record is None:
                return count
            try:
                self._go_on(record)
            except (NotDeclared, Newer) as error:
                _log.error("%s %s can't be gone on with: %s", record.name, record.id, error)
                later = replace(record, holder="", due=self._clock() + LARGEST)
                self._try_to_write(record, Change(later))
            except Unfit:
                continue  # it is stuck now
            except Exception:  # noqa: BLE001 - whatever it is, the others can be gone on with
                _log.exception("%s %s could not be gone on with", record.name, record.id)
        return limit

    def prune(self, keep: timedelta, *, limit: int) -> int:
        """Forget at most so many that ended longer ago; how many there were.

        Their keys are forgotten with them: see ``start``.
        """
        return self.store.prune(self._clock() - keep.total_seconds(), limit)

    def show(self, saga: UUID) -> Shown:
        """See ``Engine``."""
        return Shown(self.store.read(saga), self.store.log(saga), self.store.locks(saga))

    def listed(
        self, *, states: Sequence[State] = (), name: str | None = None, limit: int = 100
    ) -> list[Record]:
        """Some of all sagas, the youngest first."""
        return self.store.listed(states=states, name=name, limit=limit)

    def retry(self, saga: UUID, *, actor: str, reason: str = "") -> Seen[Any]:
        """See ``Engine``."""
        record = self.store.read(saga)
        declared = self._declared(record.name)
        if record.state is not State.STUCK:
            raise NotStuck(record.id, record.state)
        data = fitting.fitting(declared, record)  # else it would only be stuck again
        course = self._course(declared, None)
        ours = replace(record, token=record.token + 1)
        change = course.told(ours, self._clock(), Event.RETRY, _why(actor, reason))
        try:
            self.store.write(record, change)
        except TakenOver:
            raise NotStuck(record.id, self.store.read(saga).state) from None
        with use(acting.again(record.context)):
            return self._drive(declared, change.after, data, course)

    def abandon(self, saga: UUID, *, actor: str, reason: str) -> Record:
        """See ``Engine``."""
        if not reason.strip():
            raise ReasonMissing
        while True:
            record = self.store.read(saga)
            if record.state.ended:
                raise HasEnded(record.id, record.state)
            try:
                after = self._abandoned(record, _why(actor, reason))
            except TakenOver:
                continue
            _log.warning("%s %s was abandoned by %s", record.name, record.id, actor)
            return after

    def _abandoned(self, record: Record, why: str) -> Record:
        ours = replace(record, token=record.token + 1)
        change = unread(record).told(ours, self._clock(), Event.ABANDON, why)
        with use(acting.again(record.context)):
            driving.abandon(self.store, self._sagas.get(record.name), record, change)
        return change.after

    def _declared(self, name: str) -> Saga[Any]:
        found = self._sagas.get(name)
        if found is None:
            raise NotDeclared(name, self._sagas)
        return found

    def _course(self, saga: Saga[Any], limit: float | None) -> Course:
        def hurried() -> bool:
            return limit is not None and time.monotonic() >= limit

        return Course(saga.plan, lease=saga.lease, holder=_holder(), hurried=hurried)

    def _new(self, saga: Saga[Any], key: str, text: str) -> Record:
        now = self._clock()
        return Record(
            id=uuid4(),
            name=saga.name,
            key=key,
            given=text,
            data=text,
            steps=tuple(step.name for step in saga.steps),
            deadline=now + saga.deadline,
            started=now,
            changed=now,
            context=acting.kept(),
        )

    def _again(self, saga: Saga[D], key: str, text: str, course: Course) -> Seen[D]:
        """Whoever comes with a key that is known asks for the saga that has it."""
        record = self.store.find(saga.name, key)
        if record is None:
            raise TakenOver(f"{saga.name} {key!r} was there, and is not any more")
        if not fitting.same(saga, record.given, text):
            raise KeyReused(saga.name, key, record.id)
        waits = record.state is State.RUNNING and not record.holder
        if waits or self._is_due(record):
            with suppress(Newer):
                return self._take(saga, record, course)
        return self._seen(saga, record)

    def _is_due(self, record: Record) -> bool:
        return record.due is not None and record.due <= self._clock()

    def _take(self, saga: Saga[D], record: Record, course: Course | None = None) -> Seen[D]:
        """Make it ours, unless somebody else was faster.

        Raises:
            Newer: it is left to whoever can go on with it.
        """
        with suppress(Unfit):  # that it is stuck is written once it is ours
            fitting.fitting(saga, record)
        now = self._clock()
        ours = replace(record, token=record.token + 1, holder=_holder(), due=now + CLAIM)
        if not self._try_to_write(record, Change(ours)):
            return self._seen(saga, self.store.read(record.id))
        return self._go_on(ours, course)

    def _go_on(self, record: Record, course: Course | None = None) -> Seen[Any]:
        """Go on with what has just become ours: for its own user, unless that asks for it."""
        saga = self._declared(record.name)
        asked = course is not None
        course = course or self._course(saga, None)
        try:
            data = fitting.fitting(saga, record)
        except Unfit as error:
            change = unread(record).told(record, self._clock(), Event.UNFIT, str(error))
            self._try_to_write(record, change)
            _log.error("%s %s is stuck: %s", record.name, record.id, error)
            raise
        change = course.onward(record, self._clock())
        context = current() if asked else acting.again(record.context)
        with use(context):
            if not self._try_to_write(record, change):
                return self._seen(saga, self.store.read(record.id))
            return self._drive(saga, change.after, data, course)

    def _drive(self, saga: Saga[D], record: Record, data: D, course: Course) -> Seen[D]:
        drive = driving.Drive(self.store, saga, record, data, course=course, clock=self._clock)
        try:
            drive.on()
        except TakenOver:
            return self._seen(saga, self.store.read(record.id))
        return Seen(drive.record, drive.data, now=drive.record.state.ended)

    def _seen(self, saga: Saga[D], record: Record) -> Seen[D]:
        return Seen(record, fitting.read(saga, record.data))

    def _try_to_write(self, before: Record, change: Change) -> bool:
        try:
            self.store.write(before, change)
        except TakenOver:
            return False
        return True


def _limit(within: float | None) -> float | None:
    """The deadline of a start, on the clock of ``time.monotonic``."""
    limits = [current().deadline, None if within is None else time.monotonic() + within]
    return min((limit for limit in limits if limit is not None), default=None)


def _why(actor: str, reason: str) -> str:
    return f"{actor}: {reason}" if reason else actor


def _holder() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_native_id()}"
