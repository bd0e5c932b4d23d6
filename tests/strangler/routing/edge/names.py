"""A name server that says what it is told to, for one address each."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

_HEAD = struct.Struct("!6H")
_ADDRESS = struct.Struct("!HHHIH4s")
_A = 1


@dataclass
class Names:
    """What is called how, and how often it was asked."""

    port: int
    known: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, question: bytes) -> bytes:
        """What it says to a packet: an address that is good for a second, or that there is none."""
        number, _, _, _, _, _ = _HEAD.unpack_from(question)
        labels, at = [], _HEAD.size
        while size := question[at]:
            labels.append(question[at + 1 : at + 1 + size].decode())
            at += size + 1
        whole = question[_HEAD.size : at + 5]
        name = ".".join(labels)
        self.asked.append(name)
        (kind,) = struct.unpack_from("!H", question, at + 1)
        address = self.known.get(name) if kind == _A else None
        head = _HEAD.pack(number, 0x8180 if name in self.known else 0x8183, 1, bool(address), 0, 0)
        found = b""
        if address:
            found = _ADDRESS.pack(0xC00C, _A, 1, 1, 4, socket.inet_aton(address))
        return head + whole + found


@contextlib.contextmanager
def names(**known: str) -> Iterator[Names]:
    """One on a free port, that knows these names below ``.test``."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))
        made = Names(door.getsockname()[1], {f"{name}.test": at for name, at in known.items()})

        def serve() -> None:
            while True:
                question, who = door.recvfrom(512)
                if not question:
                    return
                door.sendto(made.answer(question), who)

        thread = threading.Thread(target=serve, name="names", daemon=True)
        thread.start()
        try:
            yield made
        finally:
            door.sendto(b"", door.getsockname())
            thread.join(5)
