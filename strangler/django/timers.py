"""What is done again and again by a process that serves, where no other process does it.

``manage.py runserver`` calls ``begin``. In production these are Celery's, or a process's of their
own: see ``strangler.django.tasks``.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import connections

from strangler.django.saga import sweep

SAGAS = 1.0
"""Seconds between two looks for sagas that were left behind."""

_log = logging.getLogger("strangler.timers")


class Timer:
    """A daemon thread that does one thing, and again after a while; with connections of its own."""

    def __init__(self, name: str, run: Callable[[], object], *, every: float) -> None:
        self._name = name
        self._run = run
        self._every = every
        self._stopped = threading.Event()
        self._failing = ""
        self._thread = threading.Thread(target=self._loop, name=f"strangler-{name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let it finish what it is at, and end."""
        self._stopped.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._stopped.is_set():
            self._attempt()
            self._stopped.wait(self._every)

    def _attempt(self) -> None:
        try:
            self._run()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            trouble = f"{type(error).__name__}: {error}"
            if trouble != self._failing:
                _log.warning("%s: %s", self._name, trouble)
            self._failing = trouble
        else:
            self._failing = ""
        finally:
            connections.close_all()


def begin() -> list[Timer]:
    """Begin with all there is to do beside serving."""
    return [Timer("sagas", sweep, every=SAGAS)]
