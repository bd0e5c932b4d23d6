"""A PostgreSQL whose clock is wrong, by libfaketime (Debian's ``faketime``)."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.servers import Durable
from tests.servers import ServerMissingError

LIBRARIES = Path("/usr/lib")
_WAITS = b"\0epoll_wait\0"


class Skewed(Durable):
    """One whose clock is so many seconds ahead, and ticks as fast as all others."""

    def __init__(self, ahead: int) -> None:
        super().__init__()
        self._ahead = ahead

    def prepare(self) -> None:
        """Have a library of our own, which leaves ``epoll_wait`` alone.

        Within its own the true time would be told, also to the handler of a signal. There
        PostgreSQL looks which of its timeouts are due: on a server that is ahead none would ever
        be, and on one that is behind all of them at once.
        """
        super().prepare()
        found = next(LIBRARIES.glob("*/faketime/libfaketime.so.1"), None)
        if found is None:
            raise ServerMissingError("libfaketime is not installed: get Debian's `faketime`")
        # The first is the name that it is found by; the library's own use of it comes later.
        code = found.read_bytes().replace(_WAITS, b"\0epoll_none\0", 1)
        self._library.write_bytes(code)
        self._library.chmod(0o755)

    @property
    def _library(self) -> Path:
        return self.folder / "faketime.so"

    def command(self) -> list[str]:
        fake = [f"LD_PRELOAD={self._library}", f"FAKETIME={self._ahead:+}"]
        return ["env", *fake, "FAKETIME_DONT_FAKE_MONOTONIC=1", *super().command()]
