"""Events at a service: the endpoint where they are brought, and the threads that pull them.

What an operator decides about them is brought to the same endpoint.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Final

from starlette.types import Receive, Scope, Send

from strangler.events.buses.connect import connect
from strangler.events.consumer import Consumer
from strangler.events.consuming import Listening
from strangler.events.deciding import decide
from strangler.events.receiving import LIMIT, PATH, READ, receive
from strangler.fastapi.bodies import read
from strangler.fastapi.pool import Full, Pool
from strangler.fastapi.ports import respond
from strangler.fastapi.watch import Watch
from strangler.ladder import Arm
from strangler.manifest import Capability, Events
from strangler.ports.answer import Answer, Refusal
from strangler.routing.table import Table, TableUnusable

ROUTE: Final = f"{PATH}{{consumer}}"
READING: Final = 10.0
"""Seconds within which the body of a batch has to come."""
AT_ONCE: Final = 2
"""Batches that are taken at the same time, at most."""
_READ: Final = {name.encode("latin-1"): name for name in READ}


class WrongHandlers(ValueError):
    """A service's handlers are not for what the manifest lets it subscribe to."""


class EventEndpoint:
    """Takes batches, and decisions, for one consumer in the pool's threads."""

    def __init__(self, consumer: Consumer | None, *, pool: Pool, watch: Watch) -> None:
        self._consumer = consumer
        self._pool = pool
        self._watch = watch
        self._busy = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, scope: Scope, receive_: Receive, send: Send) -> None:
        """Answer one batch; nothing, if whoever brings it has gone before it was whole."""
        began = time.perf_counter()
        answer = await self._answer(scope, receive_)
        if answer is None:
            return
        await respond(send, answer)
        seconds = time.perf_counter() - began
        self._watch.ended(scope, route=ROUTE, status=answer.status, seconds=seconds, context=None)

    async def _answer(self, scope: Scope, receive_: Receive) -> Answer | None:
        if scope["method"] != "POST":
            answer = Refusal(405, "MethodNotAllowed", "events are brought by POST").answer()
            return Answer(answer.status, {**answer.headers, "Allow": "POST"}, answer.body)
        headers = {
            _READ[name]: value.decode("latin-1")
            for name, value in scope["headers"]
            if name in _READ
        }
        try:
            async with asyncio.timeout(READING):
                body = await read(receive_, LIMIT)
        except TimeoutError:
            return _later()
        if body is None:
            return None
        called = scope["path"][len(PATH) :]
        consumer = self._consumer
        if consumer is not None and consumer.name != called.partition("/")[0]:
            consumer = None
        answering = decide if "/" in called else receive
        if self._busy.locked():  # calls and queries come first
            return _later()
        async with self._busy:
            try:
                return await self._pool.run(lambda: answering(consumer, called, body, headers))
            except Full:
                return _later()


def _later() -> Answer:
    refusal = Refusal(503, "Busy", "there is enough to do already")
    refusal.headers = {"Retry-After": "1"}
    return refusal.answer()


def listening(consumer: Consumer, capability: Capability, events: Events) -> Listening:
    """What listens in a service's process, for its ``during``.

    Raises:
        WrongHandlers: it does not handle exactly what the manifest says that it is told.
        BadBus: the bus is none.
    """
    check(consumer, capability)
    return Listening([consumer], None if events.pushed else partial(connect, events.bus))


def owned(capability: Capability, table: Table | None) -> bool:
    """Does this side own the rows, though there is no owner row in its database that says so?

    Whatever has a ``transfer`` has to have one; of the others the routing table says it.
    """
    if capability.transfer is not None or table is None:
        return False
    try:
        return table.entry(capability.name).standing.owner is Arm.SERVICE
    except TableUnusable:
        return False


def check(consumer: Consumer, capability: Capability) -> None:
    """Do handlers and manifest agree?

    Raises:
        WrongHandlers: they don't.
    """
    if consumer.name != capability.name:
        raise WrongHandlers(
            f"the handlers are {consumer.name}'s, and this is the service of {capability.name}"
        )
    handled, told = set(consumer.handlers.types), set(capability.subscribes)
    said = [
        *(f"{kind} is subscribed to, and nobody handles it" for kind in sorted(told - handled)),
        *(f"{kind} is handled, and not subscribed to" for kind in sorted(handled - told)),
    ]
    if said:
        raise WrongHandlers(
            f"capability.{capability.name}.subscribes in the manifest and the handlers differ: "
            + "; ".join(said)
        )
