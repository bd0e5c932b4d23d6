"""The door of a service's capability: how requests come in by it, and its timers.

A door blocks, and a hold may belong to the thread that has taken it. So each request of the event
loop has its hold kept by a thread of its own, which waits meanwhile and does nothing else: those
that do the work are never besieged by those that wait for a freeze to end.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from strangler.fastapi.pool import Full, Pool
from strangler.ladder import Arm
from strangler.ports.calling.door import agreed, entered, inside, passes
from strangler.ports.context import Context
from strangler.ports.errors import DoorShut, NotOwner
from strangler.transfer.door import Door
from strangler.transfer.entering import entering

__all__ = ["DoorShut", "Doorman", "Hold", "NotOwner", "commanding", "wired"]

PATIENCE = 8.0
"""Seconds that a command without a deadline waits for its door: longer than a freeze may take."""


def wired(own: str, door: Door) -> Callable[[str, float], AbstractContextManager[int | None]]:
    """The door as ``runtime.wiring.door`` wants it: only the service's own capability has one."""

    @contextmanager
    def enter(capability: str, deadline: float) -> Iterator[int | None]:
        if capability != own:
            yield None
            return
        with entering(door, own, Arm.SERVICE, deadline) as epoch:
            yield epoch

    return enter


@contextmanager
def commanding(capability: str, *, patience: float = PATIENCE) -> Iterator[None]:
    """Inside the door of a capability for the block, which commands it by no path and no port.

    For a service's timers. Hold it for one piece of work at a time: a switch waits until everybody
    is outside.

    Raises:
        NotOwner: the monolith owns the rows, and has a job for this.
        DoorShut: the door has not opened in time: try again later.
    """
    with entered(capability, time.monotonic() + patience):
        yield


class Hold:
    """A request inside the door: ``context`` is what it is done for meanwhile."""

    __slots__ = ("_release", "context")

    def __init__(self, context: Context, release: threading.Event | None) -> None:
        self.context = context
        self._release = release

    def leave(self) -> None:
        """Let the hold go. Returns at once."""
        if self._release is not None:
            self._release.set()


class Doorman:
    """Lets requests in by the door. Belongs to one event loop.

    Args:
        capability: the service's own.
        door: its door.
        inside: how many may be inside or wait at once.
    """

    def __init__(self, capability: str, door: Door, *, inside: int) -> None:
        self._capability = capability
        self._door = door
        self._pool = Pool(threads=inside, waiting=0)

    async def let_in(self, context: Context) -> Hold:
        """Inside, once it has opened; ``leave`` has to be called.

        Raises:
            NotOwner: this side does not own the rows, or since another epoch than the caller knows.
            DoorShut: it has not opened in time, or too many wait for it.
        """
        if passes(context, self._capability):
            return Hold(context.replace(epoch=0), None)
        loop = asyncio.get_running_loop()
        told: asyncio.Future[int | None] = loop.create_future()
        release = threading.Event()
        deadline = context.deadline or time.monotonic() + PATIENCE

        def tell(epoch: int | None) -> None:
            if told.done():  # whoever waited has gone
                release.set()
            else:
                told.set_result(epoch)

        def hold() -> None:
            with entering(self._door, self._capability, Arm.SERVICE, deadline) as epoch:
                agreed(self._capability, epoch or 0, context.epoch)
                loop.call_soon_threadsafe(tell, epoch)
                release.wait()

        def ended(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if not told.done():
                told.set_exception(error or DoorShut(f"{self._capability}: it is stopping"))

        task = asyncio.ensure_future(self._pool.run(hold))
        task.add_done_callback(ended)
        try:
            epoch = await told
        except Full as full:
            raise DoorShut(f"{self._capability}: {full}") from full
        except asyncio.CancelledError:
            release.set()
            raise
        known = context.replace(epoch=0) if epoch is None else inside(context, self._capability)
        return Hold(known, release)

    def close(self) -> None:
        """Let the threads go, and what is connected."""
        self._pool.close()
        self._door.close()
