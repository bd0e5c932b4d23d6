"""NGINX's access log, read as it grows: what each arm has answered, how fast and how well."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from strangler.ladder import Arm
from strangler.routing.decide import Kind

LARGEST = 64 * 1024 * 1024
"""Bytes of the log after which the agent begins a new one, and drops the one before."""
_PIECE = 1 << 20
_KINDS = {"queries": Kind.QUERY, "commands": Kind.COMMAND}
_CLIENT_LEFT = 499


class _Line(msgspec.Struct):
    at: float
    capability: str
    kind: str
    arm: str
    reason: str
    status: int
    seconds: float
    cache: str = ""


_decode = msgspec.json.Decoder(_Line).decode


@dataclass(frozen=True, slots=True)
class Answered:
    """One request of a capability, as an edge has answered it."""

    capability: str
    arm: Arm
    """Who was asked first."""
    kind: Kind
    began: float
    """Seconds since the epoch."""
    seconds: float
    failed: bool
    fallback: bool
    """The monolith then answered."""


def read(line: bytes) -> Answered | None:
    """What a line says; None if it is of no capability, or says nothing about an arm.

    Raises:
        ValueError: it is no line of this log.
    """
    try:
        said = _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error
    kind = _KINDS.get(said.kind)
    if kind is None or said.status == _CLIENT_LEFT or said.cache == "HIT":
        return None  # no arm was asked, or nobody waited for it
    fallback = said.reason == "fallback"
    failed = fallback or said.status >= 500
    if fallback or (not said.arm and said.reason == "inside"):
        arm = Arm.SERVICE
    else:
        arm = Arm(said.arm) if said.arm in list(Arm) else Arm.MONOLITH
    if not said.arm and not failed:
        return None  # the edge itself has refused it
    began = said.at - said.seconds
    return Answered(said.capability, arm, kind, began, said.seconds, failed, fallback)


class Log:
    """A file that grows at its end, and may be put away by whoever rotates logs."""

    def __init__(self, path: Path) -> None:
        """What is there by now is no news."""
        self.path = path
        self._file: BinaryIO | None = None
        self._rest = b""
        self._put_away = False
        with suppress(OSError):
            if (file := self._opened()) is not None:
                file.seek(0, os.SEEK_END)

    def lines(self) -> Iterator[bytes]:
        """The whole lines since the last time.

        Raises:
            OSError: it can't be read.
        """
        while (file := self._opened()) is not None:
            yield from self._grown(file)
            if not self._replaced(file):
                return
            if not self._put_away:
                # Who has not heard of that yet still writes there: its rest comes the next time.
                self._put_away = True
                return
            self.close()

    def rotate(self, reopen: Callable[[], None]) -> None:
        """Put it away where it has grown large, with the one before it gone; then ``reopen``.

        Raises:
            OSError: it can't be put away.
        """
        if self._put_away or self._opened() is None:
            return  # the one before has not been read to its end yet
        with suppress(FileNotFoundError):
            if self.path.stat().st_size > LARGEST:
                self.path.replace(self.path.with_name(f"{self.path.name}.1"))
                reopen()

    def close(self) -> None:
        """Leave it."""
        if self._file is not None:
            self._file.close()
        self._file, self._rest, self._put_away = None, b"", False

    def _opened(self) -> BinaryIO | None:
        if self._file is None:
            try:
                self._file = self.path.open("rb")
            except FileNotFoundError:
                return None
        return self._file

    def _grown(self, file: BinaryIO) -> Iterator[bytes]:
        if os.fstat(file.fileno()).st_size < file.tell():
            file.seek(0)  # somebody has emptied it
            self._rest = b""
        while piece := file.read(_PIECE):
            *whole, self._rest = (self._rest + piece).split(b"\n")
            yield from whole

    def _replaced(self, file: BinaryIO) -> bool:
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False  # put away, and not begun anew yet
        here = os.fstat(file.fileno())
        return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)
