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
"""Seconds for those who are half way through a handshake: a round trip in one data centre."""

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


async def close(listener: socket.socket, admit: Admit) -> None:
    """Close it, once everybody who has connected has been accepted.

    Args:
        listener: nobody else accepts from it any more.
        admit: takes care of one connection.
    """
    listener.setblocking(False)  # noqa: FBT003 - the socket's own way
    await _accept_all(listener, admit)
    _refuse_new(listener)
    await asyncio.sleep(HANDSHAKE)
    await _accept_all(listener, admit)
    listener.close()


async def _accept_all(listener: socket.socket, admit: Admit) -> None:
    while True:
        try:
            connection, _ = listener.accept()
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


def _refuse_new(listener: socket.socket) -> None:
    """Let the kernel ignore whoever connects from now on; half-made connections are still made.

    They try again a second later, and find the socket closed: refused, so nothing has begun. On
    other systems than Linux whoever comes in this very millisecond is cut off.
    """
    if sys.platform != "linux":
        return
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in _NO_SYN)
    kept = ctypes.create_string_buffer(code)
    program = struct.pack("HL", len(_NO_SYN), ctypes.addressof(kept))
    with contextlib.suppress(OSError):  # a sandbox without such filters
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
