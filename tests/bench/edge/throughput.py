"""Requests a second, beside a plain NGINX, HAProxy and Caddy; and what each costs its processor.

How many requests come through depends on the clients and arms too, which share a processor: an edge
that is faster than they are waits for them. Processor time does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from demo.servers import Server
from strangler.ladder import COHORTS
from tests.bench.edge import wrk
from tests.bench.edge.edges import Arms, Edge, Other, Pinned, Plain, table, used
from tests.bench.harness import Goal, Pair, Row, at_least, in_turn, row
from tests.servers import running

CONNECTIONS = 32
SECONDS = 2
ROUNDS = 5
MANY = 1000
TEN = 100
"""Cohorts of a thousand that the service has."""


class _Case(NamedTuple):
    name: str
    goal: Goal | None = None
    capabilities: int = 1
    cohorts: int = 0
    logs: bool = False
    note: str = ""


_WHY = "the look at the table alone costs an eighth: docs/explanation/nginx.md"
_CASES = (
    _Case("the monolith answers", at_least(0.90), note=_WHY),
    _Case("the monolith answers, with the log", at_least(0.82), logs=True, note=_WHY),
    _Case("of 1,000 capabilities", at_least(0.80), capabilities=MANY, note=_WHY),
    # Who asks a service needs a token first, whatever stands in front: so does this one's peer. By
    # hand ten headers of credentials are cleared for good; here the monolith may yet need them.
    _Case("the service answers", at_least(0.60), cohorts=COHORTS),
)
_BESIDE = (
    # It asks no table, begins no trace, and protects neither browsers nor what stands behind it.
    _Case("10 % to the service, beside haproxy", note="which only splits"),
    _Case("10 % to the service, beside caddy", at_least(1)),
)


def bench(folder: Path, arms: Arms) -> Iterator[Row]:
    """Beside a plain NGINX, then beside others."""
    for revision, case in enumerate(_CASES, 1):
        manifest = arms.manifest(case.capabilities)
        at = table(folder, manifest, revision, case.cohorts)
        asks = case.cohorts > 0
        by_hand = "a plain proxy_pass" + " with auth_request, from its cache" * asks
        with (
            running(Plain(arms.monolith, asks=asks)) as plain,
            running(Edge(manifest, at, logs=case.logs)) as edge,
        ):
            yield from _rows(case, edge, plain, by_hand)
    manifest = arms.manifest(1)
    at = table(folder, manifest, len(_CASES) + 1, TEN)
    with running(Edge(manifest, at)) as edge:
        for case in _BESIDE:
            name = case.name.rpartition(" ")[2]
            with running(Other(name, arms)) as other:
                yield from _rows(case, edge, other, f"{name}, sticky by cookie")


def _rows(case: _Case, ours: Pinned, peer: Server, peer_name: str) -> Iterator[Row]:
    turns = in_turn(lambda: _measured(ours), lambda: _measured(peer), rounds=ROUNDS)
    rates = [Pair(one.rate, other.rate) for one, other in turns]
    costs = [Pair(one.cost, other.cost) for one, other in turns]
    name = f"edge: {case.name}"
    unit = "requests/s"
    yield row(name, rates, peer_name=peer_name, unit=unit, goal=case.goal, note=case.note)
    yield row(f"{name}: CPU", costs, peer_name=peer_name, unit="µs of the edge's CPU a request")


class _Turn(NamedTuple):
    rate: float
    cost: float


def _measured(server: Server) -> _Turn:
    before = used(server)
    rate = wrk.rate(server.port, seconds=SECONDS, connections=CONNECTIONS)
    return _Turn(rate, (used(server) - before) / (rate * SECONDS) * 1e6)
