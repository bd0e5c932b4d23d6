"""A provider over HTTP, by httpx. It speaks as the sandbox does; others get adapters of their own.

Nobody waits beyond a deadline. What a broken connection, a late answer or a 5xx leaves open stays
open: perhaps it was done. Each request may be repeated, so one that met a connection which was
closed while it was idle is sent once more.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any
from uuid import UUID

from contracts.money import Money
from monolith.payments.providers import Told, read
from strangler.ports import forks
from strangler.ports.context import current
from strangler.ports.errors import (
    BadAnswer,
    Busy,
    ConnectionLost,
    TimedOut,
    TooLate,
    Unreachable,
)
from strangler.ports.transports.deadlines import Exchange, Transport, exchanging
from strangler.ports.transports.library import httpx

PATIENCE = 2.0
"""Seconds for one answer. Two of them are less than a caller waits, and than a switch does."""
CONNECT = 1.0
"""Seconds in which a connection has to be made."""
CONNECTIONS = 20
"""As many requests may be under way at once, in each process."""
LARGEST = 1024 * 1024
"""Bytes that an answer may have."""


class HttpProvider:
    """The provider at a URL. Safe for threads and across forks."""

    def __init__(self, url: str) -> None:
        self._url = httpx.URL(url.rstrip("/"))
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

    def authorise(self, key: UUID, amount: Money, method: str, *, customer: str) -> Told:
        """Have this amount put aside, or be declined: also if the method is another customer's."""
        body = {
            "amount": f"{amount.amount:f}",
            "currency": amount.currency,
            "method": method,
            "customer": customer,
        }
        return self._told(key, "POST", "/payments", body)

    def capture(self, key: UUID) -> Told:
        """Take what was put aside."""
        return self._told(key, "POST", f"/payments/{key}/capture")

    def refund(self, key: UUID) -> Told:
        """Give back what was taken, or let go what was put aside; nothing is taken later."""
        return self._told(key, "POST", f"/payments/{key}/refund")

    def look_up(self, key: UUID) -> Told | None:
        """How it stands; None for a key that was never seen."""
        status, said = self._ask(key, "GET", f"/payments/{key}")
        if status == 404 and isinstance(said, dict) and said.get("error") == "UnknownPayment":
            return None
        return self._read(key, status, said)

    def _told(self, key: UUID, method: str, path: str, body: Any = None) -> Told:
        return self._read(key, *self._ask(key, method, path, body))

    def _read(self, key: UUID, status: int, said: Any) -> Told:
        if status not in {200, 402}:
            raise BadAnswer(f"{self._url}: it answered {status} about {key}")
        told = read(said)
        if told.key != key:
            raise BadAnswer(f"{self._url}: it spoke of {told.key}, and was asked about {key}")
        return told

    def _ask(self, key: UUID, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The status and the JSON of an answer."""
        now = time.monotonic()
        deadline = min(now + PATIENCE, current().deadline or now + PATIENCE)
        if deadline <= now:
            raise TooLate("the deadline had passed before the payment provider was asked")
        exchange = Exchange(deadline)
        try:
            status, content = self._exchange(key, method, path, body, exchange)
        except ConnectionLost:
            if not exchange.stale:
                raise
            status, content = self._exchange(key, method, path, body, Exchange(deadline))
        if status == 429:
            raise Busy(f"{self._url}: it sheds load")
        if status >= 500:
            raise BadAnswer(f"{self._url}: it answered {status} about {key}")
        try:
            return status, json.loads(content)
        except ValueError as error:
            raise BadAnswer(f"{self._url}: it answered what is no JSON") from error

    def _exchange(
        self, key: UUID, method: str, path: str, body: Any, exchange: Exchange
    ) -> tuple[int, bytes]:
        content = b"" if body is None else json.dumps(body).encode()
        request = httpx.Request(
            method,
            self._url.copy_with(raw_path=self._url.raw_path.rstrip(b"/") + path.encode()),
            content=content,
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "Content-Type": "application/json",
                "Idempotency-Key": str(key),
            },
            extensions={
                "timeout": {"connect": CONNECT, "pool": CONNECT, "read": None, "write": None}
            },
        )
        try:
            with exchanging(exchange):
                response = self._connected().handle_request(request)
                try:
                    return response.status_code, _receive(response)
                finally:
                    response.close()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Unreachable(f"{self._url}: {_said(error)}") from error
        except httpx.TimeoutException as error:
            raise TimedOut(f"{self._url}: no whole answer in time") from error
        except (httpx.HTTPError, httpx.StreamError, ValueError) as error:
            raise ConnectionLost(f"{self._url}: {_said(error)}") from error

    def _connected(self) -> Transport:
        with self._lock:
            if self._transport is None:
                self._transport = Transport(
                    tls=self._url.scheme == "https", connections=CONNECTIONS, kept=CONNECTIONS
                )
            return self._transport


def _receive(response: httpx.Response) -> bytes:
    content = bytearray()
    for chunk in response.iter_raw():
        content += chunk
        if len(content) > LARGEST:
            raise ValueError("it answers without end")
    return bytes(content)


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
