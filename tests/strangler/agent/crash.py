"""Agents that are killed at random instants, one after the other; run as a program of its own.

``crash.py ROOT URL KILLS`` follows whoever says news at that URL, in a child which it kills within
some milliseconds. Writes how many were killed, and how many in the midst of writing, as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

from strangler.agent.running import run

LONGEST = 0.05
"""Seconds that one lives at first; longer where the machine is too busy for that."""


def lives(root: Path, url: str) -> None:
    """One agent."""
    run(
        [url],
        root / "table",
        root / "keys",
        party="edge",
        audience="monolith",
        name="front",
        beside=None,
        ending=threading.Event(),
    )


def halves(root: Path) -> set[str]:
    """What was being written."""
    return {str(path) for path in (root / "table").rglob(".*") if path.name != ".lock"}


def kills(root: Path, url: str, count: int) -> dict[str, int]:
    """Live and be killed, again and again."""
    torn, longest = 0, LONGEST
    for number in range(count):
        before = halves(root)
        child = os.fork()
        if not child:
            lives(root, url)
            os._exit(1)
        time.sleep(random.uniform(0.0, longest))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, "it ended by itself"
        torn += bool(halves(root) - before)
        if not torn and number % 20 == 19:
            longest *= 2
    return {"kills": count, "torn": torn}


if __name__ == "__main__":
    os.fsync = lambda fd: None
    root, url, count = sys.argv[1:]
    json.dump(kills(Path(root), url, int(count)), sys.stdout)
