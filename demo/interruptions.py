"""Ctrl-C, and what a supervisor sends: they end the film, whoever has swallowed them on the way."""

from __future__ import annotations

import contextlib
import signal
import threading
from types import FrameType

_asked = threading.Event()


def watch() -> None:
    """From now on, SIGINT and SIGTERM raise ``KeyboardInterrupt``, and are remembered."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)


def ignore() -> None:
    """From now on, they do nothing: what was started is being stopped."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def wait() -> None:
    """Until somebody asks for the end."""
    with contextlib.suppress(KeyboardInterrupt):
        while not _asked.wait(1):
            pass


def check() -> None:
    """Raise again what a command line has taken for the end of its own command.

    Raises:
        KeyboardInterrupt: somebody has asked for the end.
    """
    if _asked.is_set():
        raise KeyboardInterrupt


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    _asked.set()
    raise KeyboardInterrupt
