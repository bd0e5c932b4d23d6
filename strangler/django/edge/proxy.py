"""Asking a service over HTTP for a client: what goes there, what comes back, what can fail.

Nothing here decides anything. Whoever asks is told one of three things: an answer, ``NotSent``
(nothing has happened), or ``Broken`` (something may have).
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from strangler.django.edge.client_headers import Headers
from strangler.ladder import Arm
from strangler.ports import forks
from strangler.ports.errors import DoorShut, NotOwner
from strangler.ports.headers import EPOCH, EXECUTED, OWNER
from strangler.ports.transports.deadlines import Exchange, Transport, exchanging
from strangler.ports.transports.library import httpx

BUFFER = 8 * 1024 * 1024
"""Bytes of an answer that are awaited before any of it goes to the client."""
CONNECT = 1.0
"""Seconds in which a connection has to be made."""

CLIENTS = frozenset({400, 405, 413, 508})
"""Refusals that are about what the client has asked for: asking elsewhere would be no better."""


class NotSent(Exception):
    """Nothing has happened: no connection, or the service says that it has not begun."""


class Refused(NotSent):
    """The service has said that it will not: a word about this request, none about its health."""


class TurnedAway(Refused):
    """The service has not let a command in by its door: by this ``error``."""

    def __init__(self, error: NotOwner | DoorShut) -> None:
        super().__init__(str(error))
        self.error = error


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

    @property
    def not_begun(self) -> bool:
        """Does the service say that it has executed nothing?"""
        return self.status >= 400 and self.header(EXECUTED) == "no"

    def discard(self) -> None:
        """Nobody wants the rest."""
        if self.rest is not None:
            self.rest.close()


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
        self._transports: dict[bool, Transport] = {}

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
            Refused: it says so of this request, and is well.
            TurnedAway: it says that of its door.
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
        exchange = Exchange(deadline)
        try:
            answered = self._exchange(url, asked, exchange, once=once)
        except Broken:
            if once or not exchange.stale:
                raise
            # The service never heard of it. On a connection of its own it will.
            answered = self._exchange(url, asked, Exchange(deadline), once=True)
        if not 200 <= answered.status <= 599:
            answered.discard()
            raise Broken(f"{url}: it answered {answered.status}, which is no status", late=False)
        if answered.not_begun and answered.status not in CLIENTS:
            answered.discard()
            if (error := _turned(answered)) is not None:
                raise TurnedAway(error)
            kind = Refused if answered.status < 500 else NotSent
            raise kind(f"{url}: it answered {answered.status}, and has not begun")
        return answered

    def _exchange(
        self, url: httpx.URL, asked: Asked, exchange: Exchange, *, once: bool
    ) -> Answered:
        try:
            with exchanging(exchange):
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

    def _transport(self, *, once: bool) -> Transport:
        transport = self._transports.get(once)
        if transport is not None:
            return transport
        with self._lock:
            if once not in self._transports:
                kept = 0 if once else self._connections
                tls = any(url.scheme == "https" for url in self._urls)
                self._transports[once] = Transport(
                    tls=tls, connections=self._connections, kept=kept
                )
            return self._transports[once]


def _turned(answered: Answered) -> NotOwner | DoorShut | None:
    """What a door has said, if it was a door."""
    if answered.status == 421:
        owner, epoch = answered.header(OWNER) or "", answered.header(EPOCH) or ""
        return NotOwner(
            "the service does not own the rows",
            owner=Arm(owner) if owner in list(Arm) else None,
            epoch=int(epoch) if epoch.isdecimal() else 0,
        )
    if answered.status == 503 and b'"DoorShut"' in answered.content[:200]:
        return DoorShut("the service's door has not opened")
    return None


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
