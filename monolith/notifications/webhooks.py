"""Sends a webhook, by httpx. Nobody waits beyond a deadline, and no redirect is followed.

A receiver that has done what it was told says so by any 2xx. It may be told the same again, and
knows that by the ``Idempotency-Key``.
"""

from __future__ import annotations

import threading
import time
from uuid import UUID

from monolith.notifications.failures import NeverSent, NotSent
from monolith.notifications.signing import headers
from strangler.django.edge.deadlines import Exchange, Transport, exchanging
from strangler.ports import forks
from strangler.ports.transports.library import httpx

PATIENCE = 3.0
"""Seconds for one answer: less than a switch waits for whoever is inside the door."""
CONNECT = 2.0
"""Seconds in which a connection has to be made."""
CONNECTIONS = 20
GONE = 410
"""Whoever says this does not want to be told any more."""


class Webhooks:
    """Sends webhooks. Safe for threads and across forks."""

    def __init__(self) -> None:
        self.after_fork()
        forks.watch(self)

    def after_fork(self) -> None:
        """A child makes connections of its own; the parent's are left as they are."""
        self._lock = threading.Lock()
        self._transport: Transport | None = None

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def send(self, url: str, body: bytes, *, secret: str, message: UUID) -> None:
        """Tell whoever listens at this URL.

        Raises:
            NotSent: it can't be reached, or does not say that it has heard.
            NeverSent: it does not want to.
        """
        try:
            request = httpx.Request(
                "POST",
                url,
                content=body,
                headers={
                    "Accept-Encoding": "identity",
                    "Content-Type": "application/json",
                    "Idempotency-Key": str(message),
                    "User-Agent": "shop",
                    **headers(secret, message, body, now=time.time()),
                },
                extensions={
                    "timeout": {"connect": CONNECT, "pool": CONNECT, "read": None, "write": None}
                },
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise NeverSent(f"{url}: {error}") from error
        status = self._exchange(request)
        if status == GONE:
            raise NeverSent(f"{url}: it answered {status}: nobody wants to be told there")
        if not 200 <= status < 300:
            raise NotSent(f"{url}: it answered {status}")

    def _exchange(self, request: httpx.Request) -> int:
        deadline = time.monotonic() + PATIENCE
        exchange = Exchange(deadline)
        try:
            try:
                return self._status(request, exchange)
            except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                if not exchange.stale:
                    raise
                return self._status(request, Exchange(deadline))
        except (httpx.HTTPError, httpx.StreamError, ValueError) as error:
            raise NotSent(f"{request.url}: {str(error) or type(error).__name__}") from error

    def _status(self, request: httpx.Request, exchange: Exchange) -> int:
        with exchanging(exchange):
            response = self._connected().handle_request(request)
            response.close()  # what else it says does not matter
            return response.status_code

    def _connected(self) -> Transport:
        with self._lock:
            if self._transport is None:
                self._transport = Transport(tls=True, connections=CONNECTIONS, kept=CONNECTIONS)
            return self._transport


webhooks = Webhooks()
