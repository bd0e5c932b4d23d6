"""How soon a flip is seen, by whoever asks all the time, and that nobody pays for it.

From just before the routing table is renamed to the first answer of the other arm that a client of
the full load gets; it is wrk itself that watches. The peer is the same flip without a table: the
compiled files say that the capability is retired, or no longer, and NGINX reads them again.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from strangler.ladder import COHORTS
from strangler.routing.publish import point, prepare
from tests.bench.edge.edges import CAPABILITY, Arms, Edge, entry, table
from tests.bench.edge.wrk import watched
from tests.bench.harness import Row, Where, at_most, limit
from tests.servers import nginx_version, running

FLIPS = 200
RELOADS = 10
CONNECTIONS = 8
"""As many as keep NGINX's processor busy: with more of them, answers wait for others' answers."""
CAPABILITIES = 8
"""As many as a shop has; with more of them a reload takes longer."""
PAUSE = 0.02
"""Seconds between two flips, at least."""
_FIRST = 1000
"""Revisions of flips begin above those of other benches."""


def bench(folder: Path, arms: Arms, program: str, edge: str = "edge") -> Iterator[Row]:
    """Flips, reloads, and whatever failed, with this NGINX."""
    folder = folder / edge.replace(", ", "-").replace(" ", "-")
    folder.mkdir()
    flips, failed = _flips(folder, arms, program)
    reloads, lost = _reloads(folder, arms, program)
    peer = statistics.median(reloads)
    hundredths = statistics.quantiles(flips, n=100)
    version = ".".join(map(str, nginx_version(program)))
    note = f"NGINX {version}: {FLIPS} flips under load, of one of {CAPABILITIES} capabilities"
    spread = min(flips) / peer, max(flips) / peer
    for name, ours, goal in (
        ("median", hundredths[49], limit(2, "ms")),
        ("p99", hundredths[98], limit(10, "ms")),
        ("beside a reload", hundredths[49], at_most(1 / 50)),
    ):
        yield Row(
            name=f"{edge}: a flip's first new answer, {name}", ours=ours, peer=peer,
            peer_name="the same by a reload", unit="ms", ratio=ours / peer, spread=spread,
            goal=goal, note=note,
        )  # fmt: skip
    yield Row(
        name=f"{edge}: failed requests of that load", ours=failed, peer=lost,
        peer_name=f"{RELOADS} reloads", unit=f"in {FLIPS} flips", ratio=failed / max(lost, 1),
        spread=(0, 0), goal=limit(0, "failed"),
    )  # fmt: skip


def _flips(folder: Path, arms: Arms, program: str) -> tuple[list[float], int]:
    """Milliseconds that each has taken, and requests that have failed."""
    manifest = arms.manifest(CAPABILITIES)
    at = table(folder, manifest, _FIRST, 0)
    with (
        # Whoever flips must not wait for the interpreter that watches.
        ProcessPoolExecutor(
            1, get_context("spawn"), initializer=Where.ELSEWHERE.pin, initargs=(0,)
        ) as operator,
        running(Edge(manifest, at, program=program)) as edge,
        watched(edge.port, folder / "flips", connections=CONNECTIONS) as load,
    ):
        found = []
        for number in range(1, FLIPS + 1):
            renamed = operator.submit(flip, at, _FIRST + number, tuple(manifest.capabilities))
            moment = renamed.result()
            found.append((load.first(_arm(number), since=moment) - moment) * 1e3)
            time.sleep(PAUSE * random.uniform(1, 2))
        return found, load.end()


def _reloads(folder: Path, arms: Arms, program: str) -> tuple[list[float], int]:
    manifest = arms.manifest(CAPABILITIES)
    at = table(folder, manifest, _FIRST + FLIPS + 1, 0)
    with (
        running(Edge(manifest, at, program=program)) as edge,
        watched(edge.port, folder / "reloads", connections=CONNECTIONS) as load,
    ):
        found = []
        for number in range(1, RELOADS + 1):
            edge.write(frozenset({CAPABILITY} if number % 2 else ()))
            moment = time.monotonic()
            edge.reload()
            found.append((load.first(_arm(number), since=moment) - moment) * 1e3)
            time.sleep(0.5)  # until those who were there before are gone
        return found, load.end()


def _arm(number: int) -> str:
    return "service" if number % 2 else "monolith"


def flip(at: Path, revision: int, names: Sequence[str]) -> float:
    """Publish a revision in which all goes to the other arm; the moment of the rename."""
    if not _renamed:
        sys.addaudithook(_notice)
    all_or_none = COHORTS * ((revision - _FIRST) % 2)
    prepared = prepare(at, revision, dict.fromkeys(names, entry(all_or_none)))
    time.sleep(0.005)  # whoever has just worked for long would be made to wait in mid-flip
    point(prepared)
    return _renamed[-1]


_renamed: list[float] = []


def _notice(event: str, arguments: tuple[object, ...]) -> None:
    if event == "os.rename" and str(arguments[1]).endswith("/current"):
        _renamed.append(time.monotonic())
