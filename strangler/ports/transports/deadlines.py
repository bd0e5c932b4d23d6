"""An httpx transport on which nobody waits beyond his deadline, and which knows a stale connection.

A read timeout alone starts anew with every byte, and a service may be slow for ever.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

from strangler.ports.transports.library import httpcore, httpx

KEEP = 2.0
"""Seconds for which an idle connection is kept: less than any server keeps it."""


@dataclass(slots=True)
class Exchange:
    """One attempt: its ``deadline`` on the clock of ``time.monotonic``, and how it failed.

    ``stale`` if the service had closed a kept connection before it could hear us.
    """

    deadline: float | None
    stale: bool = False

    def left(self, timeout: float | None, late: type[Exception]) -> float | None:
        """Seconds for the next wait; ``late`` is raised where there are none."""
        if self.deadline is None:
            return timeout
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise late("the deadline has passed")
        return left if timeout is None else min(timeout, left)


# What is read of a stream after its exchange has no deadline.
_STREAMING = Exchange(None)
_now: ContextVar[Exchange] = ContextVar("strangler_exchange", default=_STREAMING)


@contextmanager
def exchanging(exchange: Exchange) -> Iterator[None]:
    """Whatever is sent and received inside belongs to this attempt."""
    token = _now.set(exchange)
    try:
        yield
    finally:
        _now.reset(token)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._kept = False
        self._heard = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        exchange = _now.get()
        try:
            data = self._stream.read(max_bytes, exchange.left(timeout, httpcore.ReadTimeout))
        except httpcore.ReadError:
            exchange.stale = self._kept and not self._heard
            raise
        exchange.stale = not data and self._kept and not self._heard
        self._heard = self._heard or bool(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._heard:
            self._kept, self._heard = True, False
        exchange = _now.get()
        try:
            self._stream.write(buffer, exchange.left(timeout, httpcore.WriteTimeout))
        except httpcore.WriteError:
            exchange.stale = self._kept
            raise

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _now.get().left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        left = _now.get().left(timeout, httpcore.ConnectTimeout)
        return _Stream(super().connect_tcp(host, port, left, local_address, socket_options))


class Transport(httpx.HTTPTransport):
    """Connections to one service.

    Args:
        tls: whether it is reached by HTTPS.
        connections: as many may be under way at once.
        kept: as many of them may be kept.
    """

    def __init__(self, *, tls: bool, connections: int, kept: int) -> None:
        # Without certificates, which take long to load, a context trusts nobody.
        context = _certificates() if tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        super().__init__(verify=context)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=connections,
            max_keepalive_connections=kept,
            keepalive_expiry=KEEP,
            network_backend=_Backend(),
        )


@cache
def _certificates() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
