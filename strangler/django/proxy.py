"""Asking a service over HTTP for a client: what goes there, what comes back, what can fail.

Nothing here decides anything. Whoever asks is told one of three things: an answer, ``NotSent``
(nothing has happened), or ``Broken`` (something may have).
"""

from __future__ import annotations

import itertools
import ssl
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpcore
import httpx

from strangler.ports import forks
from strangler.ports.headers import EXECUTED

BUFFER = 8 * 1024 * 1024
"""Bytes of an answer that are awaited before any of it goes to the client."""
CONNECT = 1.0
"""Seconds in which a connection has to be made."""
KEEP = 2.0
"""Seconds for which an idle connection is kept: less than any server keeps it."""

Headers = Sequence[tuple[str, str]]


class NotSent(Exception):
    """Nothing has happened: no connection, or the service says that it has not begun."""


class Broken(Exception):
    """The service was asked, and no whole answer came back; ``late`` if it ran out of time."""

    def __init__(self, message: str, *, late: bool) -> None:
        super().__init__(message)
        self.late = late


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to a service; ``target`` is path and query string as the client sent them.

    ``size`` is that of the body, in bytes.
    """

    method: str
    target: str
    headers: Headers
    body: Iterable[bytes] = ()
    size: int = 0


@dataclass(slots=True)
class Answered:
    """What a service answered: the whole of it, or its beginning and the ``rest`` of a stream."""

    status: int
    headers: Headers
    content: bytes
    rest: Generator[bytes, None, None] | None = field(default=None, repr=False)

    def header(self, name: str) -> str | None:
        """The first header of this name."""
        name = name.lower()
        return next((value for key, value in self.headers if key.lower() == name), None)

    def discard(self) -> None:
        """Nobody wants the rest."""
        if self.rest is not None:
            self.rest.close()


@dataclass(slots=True)
class _Exchange:
    """One attempt; ``stale`` if the service had closed the connection before it could hear us."""

    deadline: float | None
    stale: bool = False

    def left(self, timeout: float | None, late: type[Exception]) -> float | None:
        if self.deadline is None:
            return timeout
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise late("the deadline has passed")
        return left if timeout is None else min(timeout, left)


_exchange: ContextVar[_Exchange] = ContextVar("strangler_proxy_exchange")
_STREAMING = _Exchange(None)


class _Stream(httpcore.NetworkStream):
    """A connection on which no wait goes on beyond the deadline of whoever waits.

    A read timeout alone starts anew with every byte, and a service may be slow for ever.
    """

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._kept = False
        self._heard = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        exchange = _exchange.get(_STREAMING)
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
        exchange = _exchange.get(_STREAMING)
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
        left = _exchange.get(_STREAMING).left(timeout, httpcore.ConnectTimeout)
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
        left = _exchange.get(_STREAMING).left(timeout, httpcore.ConnectTimeout)
        return _Stream(super().connect_tcp(host, port, left, local_address, socket_options))


class _Transport(httpx.HTTPTransport):
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


class Upstream:
    """A capability's service, as this process reaches it. Safe for threads and across forks.

    Args:
        urls: base URLs of its replicas.
        connections: as many requests may be under way at once.
    """

    def __init__(self, urls: Sequence[str], *, connections: int) -> None:
        self._urls = [httpx.URL(url) for url in urls]
        self._turn = itertools.count()
        self._connections = connections
        self.after_fork()
        forks.watch(self)

    def after_fork(self) -> None:
        """A child makes connections of its own; the parent's are left as they are."""
        self._lock = threading.Lock()
        self._transports: dict[bool, _Transport] = {}

    def close(self) -> None:
        """Close every connection."""
        for transport in self._transports.values():
            transport.close()
        self._transports = {}

    def ask(self, asked: Asked, *, deadline: float, once: bool) -> Answered:
        """Send this to one replica; to the next one where nothing could be sent.

        Args:
            asked: what to send.
            deadline: on the clock of ``time.monotonic``.
            once: it must not run twice. It then goes out on a connection of its own: on a kept one,
                a service that closes it at the same moment would leave us not knowing.

        Raises:
            NotSent: no replica could be reached, or the one that was says that it has not begun.
            Broken: no whole answer came.
        """
        start = next(self._turn)
        refused = NotSent("the manifest names no service")
        for number in range(len(self._urls)):
            url = self._urls[(start + number) % len(self._urls)]
            try:
                return self._ask(url, asked, deadline, once=once)
            except NotSent as failure:
                refused = failure
        raise refused

    def _ask(self, url: httpx.URL, asked: Asked, deadline: float, *, once: bool) -> Answered:
        exchange = _Exchange(deadline)
        try:
            answered = self._exchange(url, asked, exchange, once=once)
        except Broken:
            if once or not exchange.stale:
                raise
            # The service never heard of it. On a connection of its own it will.
            answered = self._exchange(url, asked, _Exchange(deadline), once=True)
        if answered.status >= 400 and answered.header(EXECUTED) == "no":
            answered.discard()
            raise NotSent(f"{url}: it answered {answered.status}, and has not begun")
        return answered

    def _exchange(
        self, url: httpx.URL, asked: Asked, exchange: _Exchange, *, once: bool
    ) -> Answered:
        token = _exchange.set(exchange)
        try:
            response = self._transport(once=once).handle_request(_request(url, asked))
            try:
                return _receive(response)
            except BaseException:
                response.close()
                raise
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotSent(f"{url}: {_said(error)}") from error
        except httpx.TimeoutException as error:
            raise Broken(f"{url}: no answer in time", late=True) from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError) as error:
            raise Broken(f"{url}: {_said(error)}", late=False) from error
        finally:
            _exchange.reset(token)

    def _transport(self, *, once: bool) -> _Transport:
        transport = self._transports.get(once)
        if transport is not None:
            return transport
        with self._lock:
            if once not in self._transports:
                kept = 0 if once else self._connections
                tls = any(url.scheme == "https" for url in self._urls)
                self._transports[once] = _Transport(
                    tls=tls, connections=self._connections, kept=kept
                )
            return self._transports[once]


def _request(url: httpx.URL, asked: Asked) -> httpx.Request:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in asked.headers]
    if asked.size:
        headers.append((b"content-length", str(asked.size).encode()))
    target = url.raw_path.rstrip(b"/") + asked.target.encode("latin-1")
    return httpx.Request(
        asked.method,
        url,
        headers=headers,
        content=asked.body if asked.size else None,
        extensions={
            "target": target,
            "timeout": {"connect": CONNECT, "pool": CONNECT, "read": None, "write": None},
        },
    )


def _receive(response: httpx.Response) -> Answered:
    """Await the answer as a whole, unless it is a stream by nature or by size."""
    headers = [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw
    ]
    chunks = response.iter_raw()
    content = bytearray()
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        for chunk in chunks:
            content += chunk
            if len(content) > BUFFER:
                break
        else:
            response.close()
            return Answered(response.status_code, headers, bytes(content))
    return Answered(response.status_code, headers, bytes(content), _rest(response, chunks))


def _rest(response: httpx.Response, chunks: Iterator[bytes]) -> Generator[bytes, None, None]:
    with closing(response):
        yield from chunks


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def outgoing(
    meta: Mapping[str, Any],
    *,
    host: str,
    secure: bool,
) -> list[tuple[str, str]]:
    """The headers of a client's request that a service may see, with who asked for what.

    Left out are those of the connection, our own, and whatever speaks of a credential by its name:
    the client's credentials are the monolith's business.
    """
    nominated = {
        name.strip().lower() for name in str(meta.get("HTTP_CONNECTION", "")).split(",") if name
    }
    kept: list[tuple[str, str]] = []
    for key, value in meta.items():
        if key.startswith("HTTP_"):
            name = key[5:].replace("_", "-").lower()
        elif key == "CONTENT_TYPE" and value:
            name = "content-type"
        else:
            continue
        if name in _CONNECTION or name in nominated or secret(name):
            continue
        kept.append((name, value))
    address = meta.get("REMOTE_ADDR", "")
    chain = meta.get("HTTP_X_FORWARDED_FOR")
    kept += [
        ("host", host),
        ("x-forwarded-for", f"{chain}, {address}" if chain else address),
        ("x-forwarded-host", host),
        ("x-forwarded-proto", "https" if secure else "http"),
    ]
    return kept


def secret(name: str) -> bool:
    """Does a header's name (lower case) speak of a credential?"""
    return any(word in name for word in _SECRET)


def incoming(answered: Answered) -> Iterator[tuple[str, str]]:
    """The headers of a service's answer that the client may see."""
    nominated = {
        name.strip().lower()
        for key, value in answered.headers
        if key.lower() == "connection"
        for name in value.split(",")
    }
    for name, value in answered.headers:
        lowered = name.lower()
        if lowered in _CONNECTION or lowered in _OURS or lowered in nominated:
            continue
        if not lowered.startswith("x-strangler-"):
            yield name, value


_CONNECTION = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer",
        "trailers", "transfer-encoding", "upgrade", "http2-settings", "expect", "host",
        "content-length", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
        "x-forwarded-port", "forwarded", "x-real-ip", "traceparent", "tracestate",
    }
)  # fmt: skip
_OURS = frozenset({"date", "server", "via", "content-length", "traceparent", "tracestate"})
_SECRET = (
    "authorization", "cookie", "token", "api-key", "apikey", "secret", "password", "session",
    "csrf", "xsrf", "credential", "x-strangler",
)  # fmt: skip
