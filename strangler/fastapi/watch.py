"""What is noted of each request: a figure for Prometheus and a line in the log.

Notes are taken in batches, a moment after the answers have gone: done one by one between two
requests they cost four times as much.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final, NamedTuple

from starlette.types import Scope

from strangler.fastapi.logs import AccessLog, call_fields
from strangler.fastapi.metrics import Metrics
from strangler.ports.context import Context, Trace

PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds for ever: counted, but not logged."""
BATCH: Final = 32
"""Requests that are noted at once, at most."""
PATIENCE: Final = 0.05
"""Seconds until a request is noted, at most."""


class _Note(NamedTuple):
    scope: Scope
    route: str
    call: str
    status: int
    seconds: float
    at: float
    context: Context | None


class Watch:
    """Takes note of every request once it has been answered. Belongs to one event loop."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._log = AccessLog()
        self._notes: list[_Note] = []
        self._timer: asyncio.TimerHandle | None = None

    def ended(
        self,
        scope: Scope,
        *,
        route: str,
        status: int,
        seconds: float,
        context: Context | None,
        call: str = "",
    ) -> None:
        """One request has been answered.

        Args:
            scope: of the request.
            route: the template of its path.
            status: of the answer.
            seconds: that it took.
            context: for whom it was, where that has been proved.
            call: ``capability.method``, if it was a port's.
        """
        self._notes.append(_Note(scope, route, call, status, seconds, time.time(), context))
        if len(self._notes) >= BATCH:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self.flush)

    def flush(self) -> None:
        """Write down what has been noted."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        notes, self._notes = self._notes, []
        logged = self._log.wanted()
        for note in notes:
            method, path = note.scope["method"], note.scope["path"]
            self._metrics.count(method, note.route, note.call, note.status, note.seconds)
            if not logged or path in PROBES:
                continue
            fields = {
                "method": method,
                "path": path,
                "status": note.status,
                "ms": round(note.seconds * 1e3, 2),
                **call_fields(note.context or _unproved(note.scope)),
            }
            self._log.write(fields, at=note.at)


def _unproved(scope: Scope) -> Context:
    """Of a request that was refused, nothing is believed but the trace that it claims."""
    for name, value in scope["headers"]:
        if name == b"traceparent":
            return Context(trace=Trace.parse(value.decode("latin-1")))
    return Context()
