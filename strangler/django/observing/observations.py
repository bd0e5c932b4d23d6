"""What each arm answered, how fast and how well: the evidence of a canary.

``record`` appends to a queue in memory and returns. A daemon thread, with a connection of its own,
adds what it finds there to the database about once a second; what is left goes there at exit. While
the database is away, counts are kept (one small number for each bucket, so they can't pile up).

Nothing runs by itself in a test run: call ``flush``.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import deque
from dataclasses import dataclass

from django.core import mail
from django.db import Error, connections
from django.utils import timezone

from strangler import latency
from strangler.django import conf
from strangler.django.models import CapabilityState, Observation
from strangler.django.observing import counters

INTERVAL = 1.0
"""Seconds between two flushes."""
_QUEUE = 50_000
_KEYS = ("capability", "since_revision", "arm", "kind", "bucket")

_log = logging.getLogger("strangler.observations")

_Record = tuple[str, str, str, bool, bool, float, float]


@dataclass(frozen=True, slots=True)
class _Rung:
    """Since which revision a capability stands where it stands, and since when this is known."""

    revision: int
    seen: float
    before: int


class _Recorder:
    def __init__(self) -> None:
        self.queue: deque[_Record] = deque(maxlen=_QUEUE)
        self.pending: dict[counters.Key, dict[str, int]] = {}
        self.rungs: dict[str, _Rung] = {}
        self.read_at = float("-inf")
        self.started = timezone.now()
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.tested = False
        self.stopped = threading.Event()
        self.failing = False

    def begin(self) -> None:
        if testing():
            self.tested = True
            return
        with self.lock:
            if self.thread is None:
                self.thread = threading.Thread(
                    target=self.run, name="strangler-observations", daemon=True
                )
                self.thread.start()

    def run(self) -> None:
        while not self.stopped.is_set():
            self.attempt()
            self.stopped.wait(INTERVAL)

    def attempt(self) -> None:
        try:
            self.flush()
        except Exception as error:  # noqa: BLE001  # nothing here may reach who serves requests
            if not self.failing:
                _log.warning("observations can't be written, and are kept meanwhile: %s", error)
            self.failing = True
        else:
            if self.failing:
                _log.warning("observations are written again")
            self.failing = False
        finally:
            _close()

    def flush(self) -> None:
        with self.lock:
            try:
                # The rungs first: what began after they were read can't belong to an earlier one.
                self.read_rungs()
            finally:
                self.collect()
            if self.pending:
                counters.add(Observation, _KEYS, self.pending, using=conf.settings().database)
                self.pending = {}

    def read_rungs(self) -> None:
        rows = CapabilityState.objects.using(conf.settings().database)
        states = list(rows.values_list("name", "since_revision", "since"))
        now = time.monotonic()
        for name, revision, since in states:
            known = self.rungs.get(name)
            if known is not None and known.revision == revision:
                continue
            fresh = known is None and since <= self.started
            self.rungs[name] = _Rung(
                revision, float("-inf") if fresh else now, known.revision if known else 0
            )
        self.read_at = now

    def rung(self, capability: str, began: float) -> int:
        known = self.rungs.get(capability)
        if known is None:
            return 0
        return known.revision if began >= known.seen else known.before

    def collect(self) -> None:
        queue = self.queue
        while queue:
            capability, arm, kind, failed, fallback, seconds, ended = queue.popleft()
            key = (
                capability,
                self.rung(capability, ended - seconds),
                arm,
                kind,
                latency.bucket(seconds),
            )
            counts = self.pending.get(key)
            if counts is None:
                counts = self.pending[key] = {"requests": 0, "failures": 0, "fallbacks": 0}
            counts["requests"] += 1
            counts["failures"] += failed
            counts["fallbacks"] += fallback


_recorder = _Recorder()


def record(
    capability: str,
    arm: str,
    kind: str,
    *,
    seconds: float,
    failed: bool = False,
    fallback: bool = False,
) -> None:
    """Count one call that ``arm`` was asked to answer, and took ``seconds`` over.

    ``failed`` is about the arm that was asked first, ``fallback`` says that the other one then
    answered: so a fallback can't hide a failure. Never raises, and never waits.
    """
    recorder = _recorder
    recorder.queue.append((capability, arm, kind, failed, fallback, seconds, time.monotonic()))
    if recorder.thread is None:
        recorder.begin()


def flush() -> None:
    """Write what has been counted so far, in this thread.

    Raises:
        django.db.Error: the database is away; the counts are kept.
    """
    _recorder.flush()


def rung(capability: str, began: float) -> int:
    """The ``since_revision`` that a call counts under which began then (``time.monotonic``).

    It may ask the database: call it off the request's path.

    Raises:
        django.db.Error: the database is away.
    """
    recorder = _recorder
    if recorder.read_at < began:
        with recorder.lock:
            recorder.read_rungs()
    return recorder.rung(capability, began)


def learn() -> None:
    """Look up where the evidence of each rung begins: after a move that was made in this process.

    Other processes learn of it when they next write.
    """
    recorder = _recorder
    try:
        with recorder.lock:
            recorder.read_rungs()
    except Error:
        _log.debug("the rungs are read again when observations are next written", exc_info=True)


def testing() -> bool:
    """Whether this process runs tests: Django's own mark of it is the outbox."""
    return "outbox" in vars(mail)  # every port call asks; hasattr is slow where there is none


def reset() -> None:
    """Forget everything that was not written, as between tests."""
    _recorder.stopped.set()
    _begin()


def _begin() -> None:
    """Begin with nothing; in a forked child, without touching locks that a thread may have held."""
    global _recorder  # noqa: PLW0603  # one recorder a process; a fork makes a new process
    _recorder = _Recorder()


def _close() -> None:
    try:
        connections[conf.settings().database].close()
    except Exception:  # noqa: BLE001  # a connection that can't be closed is as good as closed
        _log.debug("the connection for observations could not be closed", exc_info=True)


def at_exit() -> None:
    """Write what is left before this process ends; of tests nothing, whose database has gone."""
    if _recorder.queue and not _recorder.tested:
        _recorder.attempt()


os.register_at_fork(after_in_child=_begin)
atexit.register(at_exit)
