"""What a thousand capabilities cost NGINX beside one: to compile, to try, to keep, to read anew.

What a request costs is measured by ``tests.bench.edge``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from strangler.manifest import Manifest
from strangler.manifest.read import parse
from strangler.routing.nginx import Settings, compiled
from tests.bench.harness import Pair, Row, in_turn, row
from tests.servers import running
from tests.strangler.routing.edge.front import Front
from tests.strangler.routing.edge.rolling import master, wait_until, workers

MANY = 1000
ROUNDS = 3
_MANIFEST = """
[edge]
monolith = "http://127.0.0.1:9"
sticky   = ["cookie"]
"""
_CAPABILITY = """
[capability.{name}]
context  = "{name}"
owner    = "team-sky"
contract = "{name}:Port"
service  = ["http://127.0.0.1:9"]
routes   = ["/{name}/"]
queries  = ["POST /{name}/search"]
"""


def bench(folder: Path) -> Iterator[Row]:
    """Each with one capability, and with a thousand."""
    one, many = _manifest(1), _manifest(MANY)

    def rows(what: str, cost: Callable[[Manifest], float], unit: str) -> Row:
        pairs = [
            Pair(*both) for both in in_turn(lambda: cost(many), lambda: cost(one), rounds=ROUNDS)
        ]
        name = f"1,000 capabilities: {what}"
        return row(name, pairs, peer_name="one capability", unit=unit)

    yield rows("to compile", lambda manifest: _compile(folder, manifest), "ms")
    yield rows("nginx -t", _try, "ms")
    yield rows("memory of NGINX with one worker", _memory, "MB")
    yield rows("until a reload has new workers", _reload, "ms")


def _manifest(count: int) -> Manifest:
    names = (f"capability{number}" for number in range(count))
    text = _MANIFEST + "".join(_CAPABILITY.format(name=name) for name in names)
    return parse(text, path=Path("capabilities.toml"), environ={})


def _compile(folder: Path, manifest: Manifest) -> float:
    began = time.perf_counter()
    compiled(manifest, Settings(table=str(folder / "table")))
    return 1e3 * (time.perf_counter() - began)


def _front(manifest: Manifest) -> Front:
    return Front(manifest, Settings(table=str(Path(tempfile.gettempdir()) / "no-table")))


def _try(manifest: Manifest) -> float:
    with running(_front(manifest)) as front:
        command = [*front.command(), "-t"]
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return 1e3 * (time.perf_counter() - began)


def _memory(manifest: Manifest) -> float:
    """What all its processes have, in megabytes; workers share most of it with the master."""
    with running(_front(manifest)) as front:
        wait_until(lambda: bool(workers(master(front))))
        number = master(front)
        children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
        return sum(map(_part, [str(number), *children])) / 1024


def _part(number: str) -> int:
    """Kilobytes of a process: its own, and its part of what it shares."""
    lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _reload(manifest: Manifest) -> float:
    with running(_front(manifest)) as front:
        wait_until(lambda: bool(workers(master(front))))
        old = workers(master(front))
        began = time.perf_counter()
        os.kill(master(front), signal.SIGHUP)
        wait_until(lambda: bool(workers(master(front))) and not old & workers(master(front)))
        return 1e3 * (time.perf_counter() - began)
