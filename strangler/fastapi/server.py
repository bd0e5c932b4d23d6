"""Run a service: take traffic until told to stop, finish what has begun, and go."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial

import uvicorn
from fastapi import FastAPI

from strangler.fastapi.app import NotInManifest
from strangler.fastapi.health import Health
from strangler.fastapi.listener import BACKLOG, CannotListen, close, listen
from strangler.fastapi.settings import BadEnvironment
from strangler.manifest import ManifestErrors
from strangler.ports.trust.keys import KeysUnusable

KEEP_ALIVE = 75
"""Seconds that an idle connection stays open: longer than any client pools it."""
LINGER = 1.0
"""Seconds for which open connections may bring one more request once the listener is closed."""
PATIENCE = 20
"""Seconds that requests under way may take to end after that."""
_TICK = 0.02

_log = logging.getLogger("strangler.fastapi")


def main(
    create: Callable[[], FastAPI],
    *,
    program: str,
    port: int,
    refusals: tuple[type[Exception], ...] = (),
) -> int:
    """The command line of a service; returns its exit code.

    A service's ``__main__.py``::

        if __name__ == "__main__":
            sys.exit(main(create, program="extracted.pricing", port=8102, refusals=(RulesErrors,)))

    Args:
        create: makes the app.
        program: the module that is run.
        port: the TCP port, unless ``--port`` says another.
        refusals: what ``create`` raises when it can't, beside what ``service`` raises: the message
            goes to standard error, whole, and the exit code is 1.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {program}")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=port, help="TCP port to listen on")
    wanted = parser.parse_args()
    try:
        app = create()
        return run(app, host=wanted.host, port=wanted.port, drain=app.state.settings.drain)
    except (*_REFUSALS, *refusals) as error:
        sys.stderr.write(f"{program} can't start:\n{error}\n")
        return 1


_REFUSALS: tuple[type[Exception], ...] = (
    BadEnvironment, CannotListen, KeysUnusable, ManifestErrors, NotInManifest,
)  # fmt: skip


def run(app: FastAPI, *, host: str, port: int, drain: float) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code.

    At the first SIGTERM the service is not ready any more, but serves on for ``drain`` seconds.
    Then, at a second signal, or at SIGINT, the listener is closed, and every request that has begun
    is answered: 0. One more signal, or too much patience, cuts off what is still under way: 1.

    Args:
        app: made by ``strangler.fastapi.app.service``.
        host: the address to listen on.
        port: the TCP port; 0 stands for any that is free.
        drain: seconds to go on serving, but not ready. Five are enough for every pooled connection
            of the kit's clients to be given up before it is closed.

    Raises:
        CannotListen: the address can't be used.
    """
    listener = listen(host, port)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whom to believe is EdgeMiddleware's business
        ws="none",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=PATIENCE,
    )
    server = _Draining(config, app.state.health, drain)
    shown = f"[{host}]" if ":" in host else host
    _log.info("%s answers on http://%s:%s", app.title, shown, listener.getsockname()[1])
    server.run(sockets=[listener])
    return 1 if server.cut_off else 0


class _Draining(uvicorn.Server):
    """A server that first says it is leaving, then leaves, and loses nobody who has connected."""

    def __init__(self, config: uvicorn.Config, health: Health, drain: float) -> None:
        super().__init__(config)
        self._health = health
        self._drain = drain
        self._leave_at: float | None = None
        self.cut_off = False

    def handle_exit(self, sig: int, frame: object) -> None:  # noqa: ARG002 - uvicorn's signature
        """Called by the interpreter, between any two instructions: only takes note."""
        if self.should_exit:
            self.force_exit = self.cut_off = True
        elif self._leave_at is None and sig == signal.SIGTERM and self._drain > 0:
            self._leave_at = time.monotonic() + self._drain
        else:
            self.should_exit = True
        self._health.draining = True

    async def on_tick(self, counter: int) -> bool:
        if self._leave_at is not None and time.monotonic() >= self._leave_at:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._health.draining = True
        await self._close_listeners(sockets or [])
        # A request may be on its way on any open connection. Its answer is the last one there.
        linger = time.monotonic() + LINGER
        while (  # noqa: ASYNC110 - uvicorn tells nobody when one closes
            self.server_state.connections and time.monotonic() < linger and not self.force_exit
        ):
            await asyncio.sleep(_TICK)
        await super().shutdown(sockets)
        self.cut_off = self.cut_off or bool(self.server_state.tasks)

    async def _close_listeners(self, sockets: list[socket.socket]) -> None:
        """Stop listening, without hanging up on those who wait to be accepted."""
        copies = [listener.dup() for listener in sockets]
        for server in self.servers:
            server.close()
        await asyncio.sleep(_TICK)  # the loop closes its own sockets a little later
        loop = asyncio.get_running_loop()
        for one in copies:
            await close(one, partial(loop.connect_accepted_socket, self._protocol))

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]  # uvicorn types it as any Protocol
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made
