"""A backfill that calls rows dirty while others are carried, in a thread of its own."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import TracebackType
from typing import Self

from strangler.transfer.apply import Flow
from strangler.transfer.backfill import Backfill, Progress
from strangler.transfer.database import Database

LOOK = 0.1
"""Seconds after which the journal is looked at again, if nobody says that there is room."""


class Filling:
    """One chunk lies ready in the journal while the one before it is carried."""

    def __init__(self, flow: Flow, *, source: Database, target: Database, chunk: int) -> None:
        """``chunk``: keys that are called dirty at once; ``flow`` says whose, on other sessions."""
        self._sessions = [source.session(), target.session()]
        self._backfill = Backfill(
            replace(flow, source=self._sessions[0], target=self._sessions[1]), chunk=chunk
        )
        self._room = threading.Event()
        self._ended = threading.Event()
        self.failure: Exception | None = None
        """Why it has ended, where it has not come to its end."""
        self._thread = threading.Thread(target=self._fill, name="backfill", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._room.set()
        self._thread.join()

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        return self._backfill.progress

    def more(self) -> bool:
        """Something has been carried; whether there may be more to come.

        Raises:
            Superseded: another mover has taken over.
            DatabaseAway: one of the databases has gone.
        """
        self._room.set()
        alive = self._thread.is_alive()  # asked first: it may fail in this moment
        if self.failure is not None:
            raise self.failure
        return alive

    def _fill(self) -> None:
        try:
            while self._backfill.more() and not self._ended.is_set():
                if not self._backfill.roomy:
                    self._room.wait(LOOK)
                    self._room.clear()
        except Exception as failure:  # noqa: BLE001 - the mover raises it
            self.failure = failure
        finally:
            for session in self._sessions:
                session.close()
