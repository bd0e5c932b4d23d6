"""Plain HTTP/1.1 over a keep-alive pool, for callers that wait.

The standard library's client spends most of its time on headers, so the few lines that a port call
needs are written and read here. What is not understood is refused: this speaks to port endpoints,
and is no general client.
"""

from __future__ import annotations

import itertools
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple
from urllib.parse import urlsplit

from strangler.ports import forks
from strangler.ports.calling.wire import Answer, Request
from strangler.ports.errors import ConnectionLost, TimedOut, Unreachable
from strangler.ports.transports.http1 import Reader, WireClosed

IDLE = 4.0
"""Seconds that a connection is kept for reuse: uvicorn closes idle ones after 5."""
KEPT = 64
"""Idle connections to one replica at most."""
CONNECT = 1.0
"""Seconds for one attempt to connect, at most."""
REFUSED = 1.0
"""Seconds for which a replica that could not be reached is asked last."""


class _Idle(NamedTuple):
    connection: socket.socket
    since: float


class _Stale(Exception):
    """A kept connection was dead; the request, whole or not, got no answer."""


class Http:
    """The replicas of one peer, and connections to them. Shared by threads; safe across a fork."""

    def __init__(self, urls: Sequence[str]) -> None:
        """Nothing is connected yet.

        Raises:
            ValueError: a URL is not an absolute one of http or https.
        """
        if not urls:
            raise ValueError("a peer needs at least one base URL")
        self._replicas = tuple(_Replica(url) for url in urls)
        self._turn = itertools.count()
        forks.watch(self)

    def exchange(self, request: Request) -> Answer:
        """Send a request to one replica, to the next one if it can't be reached.

        Raises:
            Unreachable: none could be reached; nothing was executed.
            TimedOut, ConnectionLost, BadAnswer: nobody knows what was executed.
        """
        if len(self._replicas) == 1:
            return self._replicas[0].exchange(request)
        first = next(self._turn) % len(self._replicas)
        turn = self._replicas[first:] + self._replicas[:first]
        now = time.monotonic()
        for replica in sorted(turn, key=lambda replica: replica.refused_until > now):
            try:
                return replica.exchange(request)
            except Unreachable as error:
                unreachable = error
        raise unreachable

    def close(self) -> None:
        """Close what is idle."""
        for replica in self._replicas:
            replica.close()

    after_fork = close


class _Replica:
    """One base URL."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if (
            parts.scheme not in {"http", "https"}
            or not parts.hostname
            or parts.query
            or parts.fragment
            or not (url.isascii() and url.isprintable() and " " not in url)
        ):
            raise ValueError(f"{url!r} is no base URL: write http://host:port or https://host")
        self.url = url
        self.refused_until = 0.0
        self._tls = parts.scheme == "https"
        self._address = (parts.hostname, parts.port or (443 if self._tls else 80))
        self._prefix = parts.path.rstrip("/")
        self._host = parts.netloc.rpartition("@")[2]
        self._idle: deque[_Idle] = deque()

    def exchange(self, request: Request) -> Answer:
        data = self._written(request)
        kept = self._take()
        if kept is not None:
            try:
                return self._ask(kept, data, request, kept=True)
            except _Stale:
                pass
        return self._ask(self._connect(request.deadline), data, request, kept=False)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().connection.close()

    def _written(self, request: Request) -> bytes:
        for part in (request.method, request.path):
            if not (part.isascii() and part.isprintable()) or " " in part:
                raise ValueError(f"a request line can't hold {part!r}")
        lines = [
            f"{request.method} {self._prefix}{request.path} HTTP/1.1",
            f"Content-Length: {len(request.body)}",
        ]
        if "Host" not in request.headers:
            lines.append(f"Host: {self._host}")
        for name, value in request.headers.items():
            if not (value.isascii() and value.isprintable()):
                raise ValueError(f"the header {name} can't hold {value!r}")
            lines.append(f"{name}: {value}")
        lines.append("\r\n")
        return "\r\n".join(lines).encode("ascii") + request.body

    def _take(self) -> socket.socket | None:
        """The connection that was used last, if it still lives."""
        while True:
            try:
                connection, since = self._idle.pop()
            except IndexError:
                return None
            # What is readable before we have asked is the end of the connection, or noise.
            if time.monotonic() - since < IDLE and not _readable(connection):
                return connection
            connection.close()

    def _keep(self, connection: socket.socket) -> None:
        now = time.monotonic()
        self._idle.append(_Idle(connection, now))
        while len(self._idle) > KEPT or (self._idle and now - self._idle[0].since > IDLE):
            try:
                self._idle.popleft().connection.close()
            except IndexError:  # another thread was faster
                break

    def _connect(self, deadline: float) -> socket.socket:
        patience = min(CONNECT, max(deadline - time.monotonic(), 0.001))
        connection: socket.socket | None = None
        try:
            connection = socket.create_connection(self._address, patience)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                connection = tls().wrap_socket(connection, server_hostname=self._address[0])
        except OSError as error:
            if connection is not None:
                connection.close()
            self.refused_until = time.monotonic() + REFUSED
            raise Unreachable(f"{self.url}: {str(error) or type(error).__name__}") from error
        self.refused_until = 0.0
        return connection

    def _ask(
        self, connection: socket.socket, data: bytes, request: Request, *, kept: bool
    ) -> Answer:
        reader = Reader(connection, request.deadline)
        reuse = False
        try:
            self._send(connection, data, request.deadline, kept=kept)
            try:
                answer, reuse = reader.answer()
            except WireClosed as error:
                if kept and request.repeatable and not reader.begun:
                    raise _Stale from error
                raise ConnectionLost(f"{self.url}: {error}") from error
            except TimeoutError as error:
                raise TimedOut(f"{self.url}: no whole answer before the deadline") from error
            return answer
        finally:
            if reuse:
                self._keep(connection)
            else:
                connection.close()

    def _send(self, connection: socket.socket, data: bytes, deadline: float, *, kept: bool) -> None:
        try:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            connection.sendall(data)
        except TimeoutError as error:
            raise TimedOut(f"{self.url}: not all was sent before the deadline") from error
        except OSError as error:
            # The kernel never took the last byte, so no callee has ever had the whole request.
            if kept:
                raise _Stale from error
            raise Unreachable(f"{self.url}: broke off while the call was sent: {error}") from error


def _readable(connection: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


@cache
def tls() -> ssl.SSLContext:
    """How https is spoken in this process: the system's certificates, made once."""
    return ssl.create_default_context()
