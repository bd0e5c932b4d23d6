"""Who relays which partitions: fair shares, as few moves as possible, decided by whoever asks."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

_KERNEL = Path("/proc/sys/kernel/random/boot_id")
_PROCESSES = Path("/proc/self/ns/pid")


class Held(NamedTuple):
    """A partition's row. ``alive`` says that its lease has not run out."""

    partition: int
    holder: str
    token: int
    alive: bool


@dataclass(frozen=True, slots=True)
class Share:
    """What a relay does about its partitions now."""

    keep: list[int]
    take: list[int]
    release: list[int]


def share(me: str, members: Collection[str], rows: Sequence[Held]) -> Share:
    """How many are mine of all, by my place among those who live; surplus goes, what is free comes.

    Every relay reckons alike, so together they take all, and none waits for more than one lease.
    """
    everybody = sorted({me, *members})
    whole, rest = divmod(len(rows), len(everybody))
    quota = whole + (everybody.index(me) < rest)
    mine = [one.partition for one in rows if one.holder == me and one.alive]
    free = [
        one.partition
        for one in rows
        if one.partition not in mine and (not one.alive or one.holder not in everybody)
    ]
    return Share(keep=mine[:quota], take=free[: max(0, quota - len(mine))], release=mine[quota:])


def holder(name: str = "") -> str:
    """How this process is called among relays, so that others on this machine see when it dies."""
    return f"{socket.gethostname()}:{os.getpid()}:{name or os.urandom(3).hex()}{_machine()}"


def is_gone(name: str) -> bool:
    """Was that a process of this machine, which has ended?"""
    said, _, machine = name.rpartition("@")
    number = said.split(":")[1:2]
    if not machine or f"@{machine}" != _machine() or not number:
        return False
    try:
        os.kill(int(number[0]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


@cache
def _machine() -> str:
    """What tells these processes' numbers from others': "" where nobody can say."""
    try:
        kernel = _KERNEL.read_text(encoding="ascii").strip()[:8]
        return f"@{kernel}.{_PROCESSES.stat().st_ino}"
    except OSError:
        return ""
