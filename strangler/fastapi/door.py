"""The listening socket: how it is opened, and how it is closed without hanging up on anybody.

The kernel greets callers before the process does. Whoever stands in its queue when the socket is
closed is cut off, though they may have sent their whole request, and can't know what became of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import struct
import sys
from collections.abc import Awaitable, Callable

BACKLOG = 2048
"""Connections that may wait to be accepted."""
HANDSHAKE = 0.002
"""Seconds for those who are half way through the door: a round trip in one data centre."""

Admit = Callable[[socket.socket], Awaitable[object]]


class CannotListen(OSError):
    """The address can't be used; the message says which, and why."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections; port 0 stands for any that is free.

    Raises:
        CannotListen: the address can't be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise CannotListen(f"can't listen on {host}, port {port}: {reason}") from error


async def close(door: socket.socket, admit: Admit) -> None:
    """Close it, once everybody who has come through it has been let in.

    Args:
        door: nobody else accepts from it any more.
        admit: takes care of one connection.
    """
    door.setblocking(False)  # noqa: FBT003 - the socket's own way
    await _let_in(door, admit)
    _turn_away(door)
    await asyncio.sleep(HANDSHAKE)
    await _let_in(door, admit)
    door.close()


async def _let_in(door: socket.socket, admit: Admit) -> None:
    while True:
        try:
            connection, _ = door.accept()
        except OSError:
            return
        connection.setblocking(False)  # noqa: FBT003 - the socket's own way
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await admit(connection)


_SO_ATTACH_FILTER = 26
_NO_SYN = (
    (0x30, 0, 0, 13),  # load the byte with the flags of the TCP header
    (0x45, 0, 1, 0x02),  # SYN? then the next, else the one after it
    (0x06, 0, 0, 0),  # drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # let it pass
)


def _turn_away(door: socket.socket) -> None:
    """Let the kernel overhear whoever knocks from now on; half-made connections are still made.

    They knock again a second later, and find the door closed: refused, so nothing has begun. On
    other systems than Linux whoever comes in this very millisecond is cut off.
    """
    if sys.platform != "linux":
        return
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in _NO_SYN)
    kept = ctypes.create_string_buffer(code)
    program = struct.pack("HL", len(_NO_SYN), ctypes.addressof(kept))
    with contextlib.suppress(OSError):  # a sandbox without such filters
        door.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
