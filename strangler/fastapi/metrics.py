"""What Prometheus scrapes: requests, their time, how many are under way, how busy the pool is."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from strangler.events.consuming import Figures, Listening
from strangler.fastapi.pool import Pool

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds in seconds."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The figures of one app, in a registry of their own.

    Labels never come from a client: a route is its template, a call a method that the port has, and
    a strange HTTP method is ``other``. So their number is bounded by what is deployed.
    """

    def __init__(self, pool: Pool) -> None:
        self.in_flight = 0
        self._registry = registry = CollectorRegistry()
        requests = Counter(
            "strangler_requests",
            "Answers by method, route, port call (capability.method) and status",
            ["method", "route", "call", "status"],
            registry=registry,
        )
        seconds = Histogram(
            "strangler_request_seconds",
            "Time from request to answer",
            ["method", "route", "call"],
            buckets=BUCKETS,
            registry=registry,
        )
        # Looking a child up by its labels costs more than counting in it.
        self._requests = cache(requests.labels)
        self._seconds = cache(seconds.labels)
        gauges = {
            "strangler_requests_in_flight": ("Requests under way", lambda: self.in_flight),
            "strangler_pool_calls": ("Calls at work or waiting", lambda: pool.under_way),
            "strangler_pool_threads": ("Calls that may be at work", lambda: pool.threads),
            "strangler_pool_waiting_limit": ("Calls that may wait", lambda: pool.waiting),
        }
        for name, (what, value) in gauges.items():
            Gauge(name, what, registry=registry).set_function(value)
        ProcessCollector(registry=registry)

    def hear(self, listening: Listening) -> None:
        """Show how those fare who listen to events here."""
        gauges: dict[str, tuple[str, Callable[[Figures], float]]] = {
            "strangler_events_backlog": (
                "Events that are not acknowledged yet; NaN where nobody here pulls",
                lambda found: math.nan if found.backlog is None else found.backlog,
            ),
            "strangler_events_parked": ("Events that are set aside", lambda found: found.parked),
            "strangler_events_given_up": (
                "Events that are set aside until somebody replays or drops them",
                lambda found: found.given_up,
            ),
        }
        for name, (what, value) in gauges.items():
            gauge = Gauge(name, what, ["consumer"], registry=self._registry)
            for consumer, figures in listening.figures.items():
                gauge.labels(consumer).set_function(partial(value, figures))

    def count(self, method: str, route: str, call: str, status: int, seconds: float) -> None:
        """One request has been answered; ``call`` is empty where it was none of a port."""
        if method not in _METHODS:
            method = "other"
        self._requests(method, route, call, status).inc()
        self._seconds(method, route, call).observe(seconds)

    def routes(self) -> list[Route]:
        """``GET /metrics``."""
        return [Route("/metrics", self._metrics, methods=["GET"], include_in_schema=False)]

    async def _metrics(self, _request: Request) -> Response:
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)
