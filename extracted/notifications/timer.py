"""Delivers in a thread, as often as there is something to send, and only while this side may."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Self

from strangler.ports.answer import Refusal
from strangler.ports.context import job
from strangler.ports.errors import DoorShut, NotOwner

STOPPING: Final = 10.0
"""Seconds that a delivery under way may take to end when the service stops."""
Commanding = Callable[[], AbstractContextManager[object]]
"""Makes what the timer holds while it delivers; it raises where this side may not write now."""

_log = logging.getLogger("extracted.notifications")


class Timer:
    """A thread that delivers what is due, as long as its block runs.

    Args:
        deliver_next: delivers one thing; says whether there was one.
        every: seconds between two looks, when there was nothing.
        commanding: entered for each delivery anew: a switch waits until we are outside.
    """

    def __init__(
        self,
        deliver_next: Callable[[], bool],
        *,
        every: float,
        commanding: Commanding = nullcontext,
    ) -> None:
        """Nothing runs before the block is entered."""
        self._deliver_next = deliver_next
        self._every = every
        self._commanding = commanding
        self._stop = threading.Event()
        # A daemon: a mail server that hangs must not keep a process alive that was told to stop.
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(STOPPING)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self._look()
            except (NotOwner, DoorShut) as refused:
                _log.debug("notifications are not ours to send now: %s", refused)
            except Refusal as refused:
                _log.warning("notifications can't be sent now: %s", refused)
            except Exception:  # noqa: BLE001 - whatever it is, the next look may go well
                _log.exception("notifications were not sent; the next look is due soon")

    def _look(self) -> None:
        with job():
            while not self._stop.is_set():
                with self._commanding():
                    if not self._deliver_next():
                        return
