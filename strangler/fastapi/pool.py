"""The threads in which a service does its work: few, shared by all callers, and never besieged.

Ports and faces are plain functions that may block, so the event loop only reads and writes, and the
work is done here. The pool is the service's bulkhead: beyond its threads so many may wait, and
whoever comes then is refused at once, while there is still time to ask somebody else.

It is leaner than ``ThreadPoolExecutor``: nothing but one queue and one wake-up each way.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from contextvars import Context, copy_context
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Full(Exception):
    """As many calls as may are under way or waiting; this one has not begun, and will not."""


class Overdue(Exception):
    """The deadline passed while the work waited for a thread; it has not begun, and will not."""


class Pool:
    """At most ``threads`` calls at once, and at most ``waiting`` more that wait for a thread.

    Belongs to one event loop: ``run`` is called there, and there its figures are kept.
    """

    def __init__(self, *, threads: int, waiting: int) -> None:
        """No thread is started before there is work for it."""
        self.threads = threads
        self.waiting = waiting
        self.under_way = 0
        self._workers: list[threading.Thread] = []
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()

    async def run(self, work: Callable[[], T], *, deadline: float | None = None) -> T:
        """What ``work`` returns or raises, in one of the threads and in the caller's context.

        Args:
            work: may block.
            deadline: on the clock of ``time.monotonic``; work that is due to begin later is not.

        Raises:
            Full: too many wait already.
            Overdue: its turn came too late.
        """
        if self.under_way >= self.threads + self.waiting:
            raise Full(f"{self.under_way} calls are under way or waiting, and no more may be")
        self.under_way += 1
        if len(self._workers) < min(self.under_way, self.threads):
            self._hire()
        job = _Job(self, work, deadline)
        self._jobs.put(job)
        found: T = await job.future
        return found

    def close(self) -> None:
        """Let the threads go as soon as nothing waits any more. Returns at once."""
        for _ in self._workers:
            self._jobs.put(None)
        self._workers = []

    def _hire(self) -> None:
        # A daemon: a call that hangs must not keep a process alive that was told to stop.
        name = f"work-{len(self._workers) + 1}"
        worker = threading.Thread(target=_work, args=(self._jobs,), name=name, daemon=True)
        self._workers.append(worker)
        worker.start()


class _Job:
    """One piece of work, and who waits for it."""

    __slots__ = ("context", "deadline", "future", "loop", "pool", "work")

    def __init__(self, pool: Pool, work: Callable[[], Any], deadline: float | None) -> None:
        self.pool = pool
        self.work = work
        self.deadline = deadline
        self.context: Context = copy_context()
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()

    def do(self) -> None:
        """In the worker's thread."""
        result: Any = None
        error: BaseException | None = None
        if self.deadline is not None and time.monotonic() >= self.deadline:
            error = Overdue("the deadline passed while the call waited for a thread")
        else:
            try:
                result = self.context.run(self.work)
            except BaseException as raised:  # noqa: BLE001 - whoever waits is to be told
                error = raised
        with contextlib.suppress(RuntimeError):  # the loop has been closed, and nobody waits
            self.loop.call_soon_threadsafe(self.tell, result, error)

    def tell(self, result: Any, error: BaseException | None) -> None:
        """In the event loop."""
        self.pool.under_way -= 1
        if self.future.done():  # whoever waited has been cancelled
            return
        if error is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


def _work(jobs: SimpleQueue[_Job | None]) -> None:
    while (job := jobs.get()) is not None:
        job.do()
        del job  # not kept alive until the next one comes
