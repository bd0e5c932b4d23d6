"""Run a service: take traffic until told to stop, finish what has begun, and go."""

from __future__ import annotations

import asyncio
import signal

import uvicorn
from fastapi import FastAPI

from strangler.fastapi.health import Health

KEEP_ALIVE = 75
"""Seconds that an idle connection stays open: longer than any client pools it."""
PATIENCE = 30
"""Seconds that requests under way may take to end once the process is told to stop."""


def run(app: FastAPI, *, host: str, port: int, drain: float) -> None:
    """Serve until SIGTERM or SIGINT; returns when every request that had begun was answered.

    Args:
        app: made by ``strangler.fastapi.app.service``.
        host: the address to listen on.
        port: the TCP port.
        drain: seconds to go on serving, but not ready, before the listener closes.
    """
    health: Health = app.state.health
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=PATIENCE,
    )
    _Draining(config, health, drain).run()


class _Draining(uvicorn.Server):
    """A server that first says it is leaving, and leaves a while later."""

    def __init__(self, config: uvicorn.Config, health: Health, drain: float) -> None:
        super().__init__(config)
        self._health = health
        self._drain = drain

    def handle_exit(self, sig: int, frame: object) -> None:
        first = not self._health.draining
        self._health.draining = True
        if first and self._drain > 0 and sig == signal.SIGTERM:
            loop = asyncio.get_event_loop()
            loop.call_soon_threadsafe(loop.call_later, self._drain, self._leave)
            return
        super().handle_exit(sig, frame)  # type: ignore[arg-type]  # uvicorn names the frame's type

    def _leave(self) -> None:
        self.should_exit = True
