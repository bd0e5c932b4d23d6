"""A command of the public face, rehearsed: answered as often as it takes, to nobody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope

from strangler.fastapi import bodies
from strangler.ports.answer import Answer, rehearsed
from strangler.ports.context import Context, use
from strangler.ports.rehearsal import LARGEST, TIMES, Make, Run, telling, within

_log = logging.getLogger("strangler.fastapi")


async def rehearse(  # noqa: PLR0917 - an ASGI request, and what to do with it
    app: ASGIApp, scope: Scope, receive: Receive, body: bytes, context: Context, make: Make
) -> Answer:
    """What the command would do here. It comes in by no door: nothing of it lasts."""
    rehearsal = make()
    runs: list[Run] = []
    try:
        await asyncio.to_thread(rehearsal.begin)
        for _ in range(TIMES):
            heard = _Heard()
            with use(context.replace(doors=(), epoch=0, pins=set())), within(rehearsal):
                try:
                    await app(_copied(scope), bodies.again(body, receive), heard)
                except Exception:  # noqa: BLE001 - it is what would be answered
                    said = "%s %s has failed in a rehearsal"
                    _log.exception(said, scope["method"], scope["path"])
                    heard.status = 500
            run = await asyncio.to_thread(rehearsal.end, heard.status)
            runs.append(heard.telling(run))
        return rehearsed(runs, rehearsal.shapes())
    finally:
        await asyncio.to_thread(rehearsal.close)


def _copied(scope: Scope) -> Scope:
    """What is written into it while one run is answered is not there for the next."""
    return {
        **scope,
        "headers": list(scope["headers"]),
        "state": dict(scope["state"]) if isinstance(scope.get("state"), Mapping) else {},
    }


class _Heard:
    """Listens to an answer that nobody gets."""

    def __init__(self) -> None:
        self.status = 500
        self._headers: dict[bytes, bytes] = {}
        self._body = bytearray()
        self._whole = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._headers = {name.lower(): value for name, value in message.get("headers", ())}
        elif message["type"] == "http.response.body":
            if len(self._body) <= LARGEST:
                self._body += message.get("body", b"")
            self._whole = not message.get("more_body", False)

    def telling(self, run: Run) -> Run:
        """The run, and what was answered if that came to its end."""
        if not self._whole or b"content-encoding" in self._headers:
            return run
        content_type = self._headers.get(b"content-type", b"").decode("latin-1")
        return telling(run, content_type, bytes(self._body))
