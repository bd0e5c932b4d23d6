"""The same wire for callers that await, over httpx."""

from __future__ import annotations

import asyncio
import itertools
import time
import weakref
from collections.abc import Sequence

from strangler.ports.calling.wire import Answer, Request
from strangler.ports.errors import BadAnswer, ConnectionLost, TimedOut, Unreachable
from strangler.ports.transports.http import CONNECT, IDLE, KEPT, REFUSED, tls
from strangler.ports.transports.library import httpx

_LIMITS = httpx.Limits(max_keepalive_connections=KEPT, keepalive_expiry=IDLE)

# A connection belongs to the event loop that opened it; so it is never shared across a fork either.
_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = (
    weakref.WeakKeyDictionary()
)


class Httpx:
    """The replicas of one peer, asked from the running event loop."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._refused_until = dict.fromkeys(self._urls, 0.0)
        self._turn = itertools.count()

    async def exchange(self, request: Request) -> Answer:
        """Send a request to one replica, to the next one if it can't be reached.

        Raises:
            Unreachable: none could be reached; nothing was executed.
            TimedOut, ConnectionLost, BadAnswer: nobody knows what was executed.
        """
        first = next(self._turn) % len(self._urls)
        turn = self._urls[first:] + self._urls[:first]
        now = time.monotonic()
        for url in sorted(turn, key=lambda url: self._refused_until[url] > now):
            try:
                return await _ask(url, request)
            except Unreachable as error:
                self._refused_until[url] = time.monotonic() + REFUSED
                unreachable = error
        raise unreachable


async def _ask(url: str, request: Request) -> Answer:
    left = max(request.deadline - time.monotonic(), 0.001)
    timeout = httpx.Timeout(left, connect=min(left, CONNECT))
    sent = _client().post(
        url + request.path, content=request.body, headers=request.headers, timeout=timeout
    )
    try:
        async with asyncio.timeout(left):
            answer = await sent
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise Unreachable(f"{url}: {str(error) or type(error).__name__}") from error
    except (httpx.TimeoutException, TimeoutError) as error:
        raise TimedOut(f"{url}: no whole answer before the deadline") from error
    except httpx.DecodingError as error:
        raise BadAnswer(f"{url}: {error}") from error
    except httpx.TransportError as error:
        raise ConnectionLost(f"{url}: {str(error) or type(error).__name__}") from error
    return Answer(answer.status_code, answer.headers, answer.content)


def _client() -> httpx.AsyncClient:
    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    if client is None:
        client = _clients[loop] = httpx.AsyncClient(limits=_LIMITS, trust_env=False, verify=tls())
    return client


async def close() -> None:
    """Close the running event loop's connections: before it ends, for a clean shutdown."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()
