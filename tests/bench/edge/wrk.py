"""Requests by wrk, as many as there are answers for."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.edge.edges import PATH, pinned
from tests.servers import ServerMissingError

COOKIE = "Cookie: strangler_cohort=7; arm=monolith"
"""Of a client that has been here before."""
WATCH = Path(__file__).with_name("watch.lua")


def rate(port: int, *, seconds: int, connections: int) -> float:
    """Requests a second.

    Raises:
        RuntimeError: one failed.
    """
    said = subprocess.run(
        command(port, seconds=seconds, connections=connections),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if failed := _failed(said):
        raise RuntimeError(f"{failed} requests failed:\n{said}")
    return float(re.search(r"Requests/sec:\s*([\d.]+)", said)[1])  # type: ignore[index]


def command(port: int, *, seconds: int, connections: int) -> list[str]:
    """How wrk is started.

    Raises:
        ServerMissingError: there is none.
    """
    found = shutil.which("wrk")
    if found is None:
        raise ServerMissingError("wrk is not installed: get Debian's `wrk`")
    url = f"http://127.0.0.1:{port}{PATH}"
    asked = [found, "-t1", f"-c{connections}", f"-d{seconds}s", "-H", COOKIE, url]
    return pinned(asked, measured=False)


class Watched:
    """A load, and which arm its answers came from."""

    def __init__(self, port: int, told: Path, *, connections: int) -> None:
        self._told = told
        asked = command(port, seconds=600, connections=connections)
        asked += ["--script", str(WATCH), "--", str(told)]
        self._process = subprocess.Popen(asked, stdout=subprocess.PIPE, text=True)
        self._said: str | None = None
        self._read = 0

    def end(self) -> int:
        """No more requests; how many have failed."""
        if self._said is None:
            self._process.send_signal(signal.SIGINT)
            self._said, _ = self._process.communicate(timeout=10)
        return _failed(self._said)

    def kill(self) -> None:
        """At once, if it still asks."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def first(self, arm: str, *, since: float, within: float = 30.0) -> float:
        """When this arm has answered first since that moment.

        Raises:
            TimeoutError: it never did.
        """
        until = time.monotonic() + within
        while time.monotonic() < until:
            found = [moment for moment, one in self._new() if moment >= since and one == arm]
            if found:
                return min(found)
            time.sleep(0.01)
        raise TimeoutError(f"no answer of the {arm}")

    def _new(self) -> list[tuple[float, str]]:
        """Of each answer that came from another arm than the one before: when, and from which."""
        with self._told.open() as lines:
            lines.seek(self._read)
            parts = [line.split() for line in lines.readlines() if line.endswith("\n")]
            self._read = lines.tell()
        return [(float(moment), arm) for moment, arm in parts]


@contextlib.contextmanager
def watched(port: int, told: Path, *, connections: int) -> Iterator[Watched]:
    """Under load, from which arm answers come."""
    load = Watched(port, told, connections=connections)
    try:
        time.sleep(0.5)
        yield load
    finally:
        load.kill()


def _failed(said: str) -> int:
    errors = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said
    )
    odd = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return sum(map(int, errors.groups() if errors else ())) + int(odd[1] if odd else 0)
