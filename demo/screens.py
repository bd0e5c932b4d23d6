"""A screen for each who types, so that two may type at a time: what the command line prints there.

``contextlib.redirect_stdout`` would turn the output of every thread.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TextIO, cast


class _Screen(io.TextIOBase):
    """Writes to the thread's own screen; where it has none, to everybody's."""

    def __init__(self, everybodys: TextIO) -> None:
        self.everybodys = everybodys
        self._mine = threading.local()

    def write(self, text: str, /) -> int:
        return self._seen().write(text)

    def flush(self) -> None:
        self._seen().flush()

    @contextmanager
    def own(self) -> Iterator[io.StringIO]:
        self._mine.screen = io.StringIO()
        try:
            yield self._mine.screen
        finally:
            del self._mine.screen

    def _seen(self) -> TextIO:
        return cast(TextIO, getattr(self._mine, "screen", self.everybodys))


class Screens:
    """Within its block, what this process prints goes to whoever typed, and else to a log."""

    def __init__(self, log: TextIO) -> None:
        self._out, self._err = _Screen(log), _Screen(log)
        self._before = sys.stdout, sys.stderr

    def __enter__(self) -> Self:
        self._before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = cast(TextIO, self._out), cast(TextIO, self._err)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        sys.stdout, sys.stderr = self._before
        # Whoever logs has kept these.
        self._out.everybodys, self._err.everybodys = self._before

    @contextmanager
    def own(self) -> Iterator[tuple[io.StringIO, io.StringIO]]:
        """What this thread prints from here on, and what it complains of."""
        with self._out.own() as printed, self._err.own() as complained:
            yield printed, complained
