"""What is noted of each request: a figure for Prometheus and a line in the log."""

from __future__ import annotations

from typing import Final

from starlette.types import Scope

from strangler.fastapi.logs import AccessLog, call_fields
from strangler.fastapi.metrics import Metrics
from strangler.ports.context import Context, Trace

PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds for ever: counted, but not logged."""


class Watch:
    """Takes note of every request when it has been answered."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self._log = AccessLog()

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
        method, path = scope["method"], scope["path"]
        self.metrics.count(method, route, call, status, seconds)
        if path in PROBES or not self._log.wanted():
            return
        fields = {"method": method, "path": path, "status": status, "ms": round(seconds * 1e3, 2)}
        self._log.write({**fields, **call_fields(context or _unproved(scope))})


def _unproved(scope: Scope) -> Context:
    """Of a request that was refused, nothing is believed but the trace that it claims."""
    for name, value in scope["headers"]:
        if name == b"traceparent":
            return Context(trace=Trace.parse(value.decode("latin-1")))
    return Context()
