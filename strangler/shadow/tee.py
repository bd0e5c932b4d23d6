"""Work that must never slow a request: a bounded queue which drops, and a thread that empties it.

The thread begins with the first piece of work, in the process that has it: a server forks first.

It shares the interpreter with the requests, and what it asks for may come back to this same
process as further requests. So while the process has other things to do, it rests: for each moment
in which something was under way, many in which nothing is. On a busy machine everything takes
longer, and so does the rest: then most is dropped. While the process has nothing else to do, it
does not rest.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from strangler.ports import forks

Work = TypeVar("Work")

CAPACITY = 32
"""Pieces of work that may wait."""
SHARE = 0.1
"""The part of the time in which something may be under way while the process is busy."""
CALM = 0.05
"""The part of a processor below which everything else in a process counts as nothing to do."""
LOOK = 0.05
"""Seconds over which that is measured."""

_log = logging.getLogger("strangler.shadow")


class Tee(Generic[Work]):
    """Hands work to a thread of its own, or drops it.

    Args:
        handle: does one piece of work, in the thread. What it raises is logged.
        idle: is called in the thread about every ``interval`` seconds.
        interval: seconds.
        capacity: as many pieces may wait.
        share: the part of the time in which something may be under way while the process is busy.
    """

    def __init__(
        self,
        handle: Callable[[Work], None],
        *,
        idle: Callable[[], None] | None = None,
        interval: float = 1.0,
        capacity: int = CAPACITY,
        share: float = SHARE,
    ) -> None:
        self._handle = handle
        self._idle = idle
        self._interval = interval
        self._capacity = capacity
        self._share = share
        self.after_fork()
        forks.watch(self)

    def after_fork(self) -> None:
        """A forked child has not the thread, and no business with the work that was waiting."""
        self._queue: queue.Queue[Work] = queue.Queue(self._capacity)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._stopped = False

    def offer(self, work: Work) -> bool:
        """Take this if there is room for it. Never waits; False if it was dropped."""
        if self._stopped:
            return False
        try:
            self._queue.put_nowait(work)
        except queue.Full:
            return False
        if self._thread is None:
            self._start()
        return True

    @property
    def full(self) -> bool:
        """Whatever is offered now will be dropped."""
        return self._queue.full()

    def drain(self, timeout: float) -> bool:
        """Wait until everything taken so far is done; False if that takes longer (seconds)."""
        until = time.monotonic() + timeout
        while self._queue.unfinished_tasks:
            if time.monotonic() >= until:
                return False
            time.sleep(0.002)
        return True

    def stop(self, timeout: float) -> list[Work]:
        """Take nothing more, and wait for the work under way (seconds); returns what waited."""
        self._stopped = True
        left = []
        with contextlib.suppress(queue.Empty):
            while True:
                left.append(self._queue.get_nowait())
                self._queue.task_done()
        self.drain(timeout)
        return left

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="strangler-shadow", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        waiting = self._queue
        due = time.monotonic() + self._interval
        others = _Others()
        while True:
            try:
                work = waiting.get(timeout=max(0.0, due - time.monotonic()))
            except queue.Empty:
                began = time.monotonic()
            else:
                began = time.monotonic()
                self._attempt(self._handle, work)
                waiting.task_done()
            if time.monotonic() >= due:
                if self._idle is not None:
                    self._attempt(self._idle)
                due = time.monotonic() + self._interval
            rested = time.monotonic() + (time.monotonic() - began) * (1 / self._share - 1)
            while not others.calm() and (left := rested - time.monotonic()) > 0:
                time.sleep(min(left, LOOK))

    @staticmethod
    def _attempt(what: Callable[..., None], *arguments: Work) -> None:
        try:
            what(*arguments)
        except Exception:  # noqa: BLE001  # one that fails must not end the thread
            _log.exception("shadow: a comparison failed, and is not counted")


class _Others:
    """What the other threads of this process do, as seen by the one that asks."""

    def __init__(self) -> None:
        self._calm = False
        self._begin(time.monotonic())

    def calm(self) -> bool:
        """Had they nothing to do when it was last measured?

        Only what was measured over a short while counts: a longer one says little about now.
        """
        now = time.monotonic()
        passed = now - self._since
        if passed >= LOOK:
            spent = self._spent
            self._begin(now)
            self._calm = passed < 4 * LOOK and self._spent - spent < CALM * passed
        return self._calm

    def _begin(self, now: float) -> None:
        self._since = now
        self._spent = time.process_time() - time.thread_time()
