"""Locks on files, each of the descriptor that it was taken with.

Locks of an open file description (Linux) belong neither to a process nor to a thread, and end with
the last descriptor, however its holder dies. Where there are none, flock does nearly the same: who
looks whether a lock is free then takes it for a moment.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path
from typing import Self

from strangler.transfer.errors import DatabaseAway

_FLOCK = "@hhqqi4x"  # struct flock of 64-bit Linux: type, whence, start, length, pid
_SET = getattr(fcntl, "F_OFD_SETLK", None)
_GET = getattr(fcntl, "F_OFD_GETLK", None)
_TAKEN = {errno.EACCES, errno.EAGAIN}


class FileLock:
    """A file, and the lock that this object holds on it."""

    def __init__(self, path: Path) -> None:
        """Open the file, and make it if it is not there.

        Raises:
            DatabaseAway: it can't be opened; whoever uses the database has to write here, too.
        """
        self.path = path
        self._descriptor = -1
        try:
            path.parent.mkdir(exist_ok=True)
            self._descriptor = self._open()
        except OSError as error:
            raise DatabaseAway(f"{path}: {error.strerror}") from error

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def try_shared(self) -> bool:
        """Take it together with others; False if somebody has it alone."""
        return self._try(fcntl.F_RDLCK, fcntl.LOCK_SH)

    def try_alone(self) -> bool:
        """Take it alone; False if anybody has it."""
        return self._try(fcntl.F_WRLCK, fcntl.LOCK_EX)

    def free(self) -> bool:
        """Whether nobody else has it."""
        if _GET is None:
            if not self.try_alone():
                return False
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            return True
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(self._descriptor, _GET, asked)
        return bool(struct.unpack(_FLOCK, answer)[0] == fcntl.F_UNLCK)

    def close(self) -> None:
        """Let it go: also for a child that has inherited the descriptor."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        try:
            if _SET is None:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            else:
                unlock = struct.pack(_FLOCK, fcntl.F_UNLCK, os.SEEK_SET, 0, 0, 0)
                fcntl.fcntl(descriptor, _SET, unlock)
        finally:
            os.close(descriptor)

    def _try(self, kind: int, flock: int) -> bool:
        try:
            if _SET is None:
                fcntl.flock(self._descriptor, flock | fcntl.LOCK_NB)
            else:
                lock = struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0)
                fcntl.fcntl(self._descriptor, _SET, lock)
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            raise
        return True


def holders(path: Path) -> list[int]:
    """The processes that have this file open, as far as we may see them."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if link.readlink() == path:
                found.add(int(link.parts[2]))
        except OSError:  # it has ended, or is somebody else's
            continue
    return sorted(found - {os.getpid()})
