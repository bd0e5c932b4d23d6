"""A port call over HTTP, beside the same question asked with httpx of FastAPI and pydantic.

Both sides run on one uvicorn with the same settings, and neither logs each request. Ours signs and
checks its tokens and counts for Prometheus, as in production.

The goals are against FastAPI with plain ``def``, since the code behind a port of ours is plain
functions too, which may block, and is given a thread as well. FastAPI with ``async def`` spares
itself that thread; its rows are told beside, without a goal.
"""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
from pydantic import TypeAdapter

from strangler.ports import runtime
from strangler.ports.bind import bind
from strangler.ports.calling import remote
from strangler.ports.context import Context, Trace, User, use
from strangler.ports.trust import keys
from strangler.ports.trust.keys import Keyring
from tests.bench.harness import (
    Goal,
    Pair,
    Row,
    at_least,
    at_most,
    cpu_seconds,
    in_turn,
    row,
    serving,
)
from tests.bench.parts import HUNDRED, MANIFEST, Parts
from tests.bench.peer import Part, PartRequest, SomeRequest
from tests.servers import free_port

ROUNDS = 15
RATE_ROUNDS = 11
CALLS = {"one DTO": 600, "100 DTOs": 300}
THREADS = 8
SECONDS = 0.8
"""Of each round with threads."""
RATIO = 0.35
TIMES = 4.0
PEER = "httpx + FastAPI with `{}`"

Call = Callable[[], object]


class Cost(NamedTuple):
    """Of one call: seconds that the caller waits, and processor seconds on both sides."""

    waited: float
    cpu: float


class Side(NamedTuple):
    """One way to ask: the calls, and the process that answers."""

    calls: dict[str, Call]
    pid: int

    def cost(self, what: str) -> Cost:
        """The median wait and the mean processor time of a row of calls."""
        call, waits = self.calls[what], []
        before = time.process_time() + cpu_seconds(self.pid)
        for _ in range(CALLS[what]):
            began = time.perf_counter()
            call()
            waits.append(time.perf_counter() - began)
        used = time.process_time() + cpu_seconds(self.pid) - before
        return Cost(statistics.median(waits), used / len(waits))

    def rate(self, what: str) -> float:
        """Calls per second of threads that share the one client."""
        call, done = self.calls[what], []
        until = time.perf_counter() + SECONDS

        def ask() -> None:
            count = 0
            with use(_context()):
                while time.perf_counter() < until:
                    call()
                    count += 1
            done.append(count)

        threads = [threading.Thread(target=ask) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if len(done) < THREADS:
            raise RuntimeError(f"{THREADS - len(done)} of {THREADS} threads failed")
        return sum(done) / SECONDS


def bench(folder: Path) -> Iterator[Row]:
    """Latency, processor time, and calls per second with threads."""
    with _ours(folder) as ours, _peer(folder) as (peer, peer_async), use(_context()):
        for what in CALLS:
            yield from _costs(what, ours, peer, "def", at_most(RATIO))
            yield from _costs(what, ours, peer_async, "async def", None)
        what = next(iter(CALLS))
        for other, how, goal in ((peer, "def", at_least(TIMES)), (peer_async, "async def", None)):
            pairs = in_turn(lambda: ours.rate(what), lambda: other.rate(what), rounds=RATE_ROUNDS)  # noqa: B023
            yield row(
                f"http, {THREADS} threads, beside {how}", [Pair(*one) for one in pairs],
                peer_name=PEER.format(how), unit="calls/s", goal=goal,
            )  # fmt: skip


def _costs(what: str, ours: Side, peer: Side, how: str, goal: Goal | None) -> Iterator[Row]:
    rounds = in_turn(lambda: ours.cost(what), lambda: peer.cost(what), rounds=ROUNDS)
    for part, which in enumerate(("latency", "CPU of both sides")):
        pairs = [Pair(mine[part] * 1e6, theirs[part] * 1e6) for mine, theirs in rounds]
        yield row(
            f"http, {what}: {which}, beside {how}", pairs,
            peer_name=PEER.format(how), unit="µs", goal=goal,
        )  # fmt: skip


def _context() -> Context:
    """As a request of a client who is logged in makes it."""
    return Context(user=User("4711", ("customer",)), cohort=17, trace=Trace.begin())


@contextlib.contextmanager
def _ours(folder: Path) -> Iterator[Side]:
    for party in ("monolith", "parts"):
        keys.generate(folder / "keys", party)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    manifest = folder / "capabilities.toml"
    manifest.write_text(MANIFEST.format(port=port))
    env = {
        "STRANGLER_MANIFEST": str(manifest),
        "STRANGLER_KEYS": str(folder / "keys"),
        "STRANGLER_LOG_LEVEL": "WARNING",
    }
    command = ["-m", "tests.bench.service", str(port)]
    wired = runtime.configured(
        keyring=Keyring.load(folder / "keys", "monolith"),
        urls=lambda _capability, _arm: (url,),
        placed={"parts": "remote"},
    )
    with serving(command, ready=f"{url}/readyz", log=folder / "ours.log", env=env) as pid, wired:
        parts = bind(Parts)
        calls: dict[str, Call] = {
            "one DTO": lambda: parts.part("SKU-1"),
            "100 DTOs": lambda: parts.some(HUNDRED),
        }
        try:
            yield Side(calls, pid)
        finally:
            remote.close()


@contextlib.contextmanager
def _peer(folder: Path) -> Iterator[tuple[Side, Side]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = ["-m", "tests.bench.peer", str(port)]
    many = TypeAdapter(list[Part])
    with (
        serving(command, ready=f"{url}/docs", log=folder / "peer.log") as pid,
        httpx.Client(base_url=url, timeout=10) as client,
    ):

        def ask(path: str, asked: PartRequest | SomeRequest) -> bytes:
            return client.post(path, json=asked.model_dump()).raise_for_status().content

        def side(prefix: str) -> Side:
            calls: dict[str, Call] = {
                "one DTO": lambda: Part.model_validate_json(
                    ask(f"{prefix}/part", PartRequest(sku="SKU-1"))
                ),
                "100 DTOs": lambda: many.validate_json(
                    ask(f"{prefix}/some", SomeRequest(count=HUNDRED))
                ),
            }
            return Side(calls, pid)

        yield side(""), side("/async")
