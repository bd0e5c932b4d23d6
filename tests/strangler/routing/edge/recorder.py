"""A service that believes its eyes: it keeps each byte that it is sent, and answers."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Recorder:
    """Where it listens, and each request as it came: what it begins with, and its body."""

    url: str
    seen: list[tuple[bytes, bytes]] = field(default_factory=list)
    odd: list[bytes] = field(default_factory=list)
    """What is no request whose end everybody would see at the same byte."""


_HEAD = re.compile(rb"[A-Z]+ /[!-~\x80-\xff]* HTTP/1\.1\r\n(?:[A-Za-z0-9-]+: [^\r\n\0]*\r\n)+\r\n")


@contextlib.contextmanager
def recorder() -> Iterator[Recorder]:
    """One on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Recorder(f"http://127.0.0.1:{listener.getsockname()[1]}")
        threading.Thread(target=_accept, args=(listener, made), daemon=True).start()
        yield made
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, made: Recorder) -> None:
    with contextlib.suppress(OSError):
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=_converse, args=(peer, made), daemon=True).start()


def _converse(peer: socket.socket, made: Recorder) -> None:
    data = b""
    with peer, contextlib.suppress(OSError):
        while more := peer.recv(65536):
            data += more
            while (end := data.find(b"\r\n\r\n") + 4) > 3:
                head = data[:end]
                lengths = re.findall(rb"(?i)\r\ncontent-length: *([0-9]+)\r\n", head)
                size = int(lengths[0]) if lengths else 0
                if not _HEAD.fullmatch(head) or len(lengths) > 1 or b"ransfer-" in head:
                    made.odd.append(data)
                if len(data) < end + size:
                    break
                made.seen.append((head, data[end : end + size]))
                data = data[end + size :]
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    if data:
        made.odd.append(data)
