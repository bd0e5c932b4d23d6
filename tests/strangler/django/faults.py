"""A service that fails in every way a service can, on a raw socket, and counts its requests."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.parser import Parser
from typing import NamedTuple


class Seen(NamedTuple):
    """One whole request as it came."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


Behave = Callable[[socket.socket, Seen], None]


def reply(
    status: int = 200, body: object = None, *headers: str, kind: str = "application/json"
) -> Behave:
    """Answer properly."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def behave(peer: socket.socket, seen: Seen) -> None:
        lines = [f"HTTP/1.1 {status} Said", f"Content-Type: {kind}", *headers]
        lines += [f"Content-Length: {len(data)}", "", ""]
        peer.sendall("\r\n".join(lines).encode("latin-1"))
        if seen.method != "HEAD":
            peer.sendall(data)

    return behave


def hang(peer: socket.socket, seen: Seen) -> None:
    """Say nothing, for longer than anybody waits."""
    peer.settimeout(10)
    with contextlib.suppress(OSError):
        peer.recv(1)


def close(peer: socket.socket, seen: Seen) -> None:
    """Read the request, and go."""
    raise Gone


def reset(peer: socket.socket, seen: Seen) -> None:
    """Read the request, and reset the connection."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Gone


def garbage(peer: socket.socket, seen: Seen) -> None:
    """Say something that is not HTTP."""
    peer.sendall(b"\x16\x03\x01 is this a handshake?\r\n\r\n")
    raise Gone


def half(peer: socket.socket, seen: Seen) -> None:
    """Promise a hundred bytes, and send seven; to a HEAD that is a whole answer."""
    peer.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    )
    if seen.method != "HEAD":
        peer.sendall(b'{"place')
        raise Gone


def half_headers(peer: socket.socket, seen: Seen) -> None:
    """Begin with an answer, and go."""
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Ty")
    raise Gone


def drip(peer: socket.socket, seen: Seen) -> None:
    """Send a byte now and then: every one of them comes in time, the answer never does."""
    text = b"HTTP/1.1 200 OK\r\nX-Filler: " + b"a" * 1000
    for number in range(len(text)):
        peer.sendall(text[number : number + 1])
        time.sleep(0.02)
    raise Gone


def drip_body(peer: socket.socket, seen: Seen) -> None:
    """The same after the headers."""
    peer.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
    )
    for _ in range(500):
        peer.sendall(b" ")
        time.sleep(0.02)
    raise Gone


class Gone(Exception):
    """The connection is to be closed."""


@dataclass
class Faults:
    """What it does next, and what it has been asked."""

    url: str
    port: int
    behave: Behave = field(default_factory=lambda: reply(200, {"ok": True}))
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0

    @property
    def hits(self) -> int:
        return len(self.seen)


@contextlib.contextmanager
def faults(port: int = 0, host: str = "127.0.0.1") -> Iterator[Faults]:
    """A service on a free port (or on this one) for the block."""
    listener = socket.create_server((host, port), backlog=64)
    number = listener.getsockname()[1]
    service = Faults(f"http://{host}:{number}", number)
    peers: set[socket.socket] = set()
    stopping = threading.Event()

    def accept() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            if stopping.is_set():
                peer.close()
                return
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            service.connections += 1
            peers.add(peer)
            threading.Thread(target=converse, args=(peer,), name="faults", daemon=True).start()

    def converse(peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError, Gone), peer.makefile("rb") as stream:
            while (seen := _read(stream)) is not None:
                service.seen.append(seen)
                service.behave(peer, seen)
        peers.discard(peer)

    thread = threading.Thread(target=accept, name="faults", daemon=True)
    thread.start()
    try:
        yield service
    finally:
        stopping.set()
        with contextlib.suppress(OSError):
            # A thread that waits in accept does not notice that its socket was closed.
            socket.create_connection((host, number), 1).close()
        listener.close()
        for peer in list(peers):
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def _read(stream: object) -> Seen | None:
    first = stream.readline()
    if not first:
        return None
    method, target, _ = first.decode("latin-1").split(" ", 2)
    lines = []
    while (line := stream.readline().decode("latin-1")) not in {"\r\n", ""}:
        lines.append(line)
    headers = Parser().parsestr("".join(lines)).items()
    found = {name.lower(): value for name, value in headers}
    body = b""
    if "content-length" in found:
        body = stream.read(int(found["content-length"]))
    elif found.get("transfer-encoding") == "chunked":
        while size := int(stream.readline(), 16):
            body += stream.read(size)
            stream.readline()
        stream.readline()
    return Seen(method, target, headers, body)
