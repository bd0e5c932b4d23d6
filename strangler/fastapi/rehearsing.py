"""A command of the public face, rehearsed: answered as often as it takes, to nobody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope

from strangler.fastapi import bodies
from strangler.ports.answer import Answer, rehearsed
from strangler.ports.context import Context, use
from strangler.ports.rehearsal import TIMES, Make, Run, within

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
            runs.append(await asyncio.to_thread(rehearsal.end, heard.status))
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

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
