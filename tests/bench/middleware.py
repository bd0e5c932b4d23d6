"""What the middleware costs a Django that it stands in front of.

Two gunicorns of the same project are asked in turn, each with its synchronous workers on one
processor which nobody else uses: clients and service run on the others. The one that is not asked
is frozen, so that whatever it still has to do disturbs nobody, and is there when its turn comes.

The rate is that of a processor which does nothing else: answers for each second of processor time
that the workers use. Where they are alone it is the throughput; where something else wants that
processor too, the throughput would tell of that.

Two processes of the very same program differ by some per cent, by how each happens to lie in
memory: so several pairs of them are started, and count together.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from strangler.ladder import Stage
from strangler.shadow.judge import Outcome
from tests.bench.harness import (
    ROOT,
    Goal,
    Pair,
    Row,
    Where,
    at_least,
    cpu_seconds,
    frozen,
    in_turn,
    row,
)
from tests.bench.shop import Server, Shop

PAIRS = 12
ROUNDS = 6
"""With each pair."""
SECONDS = 0.25
"""Of each measurement."""

SETTLE = 3.0
"""Seconds after which what was compared is written: it is, about once a second."""
JUDGED = (Outcome.MATCH, Outcome.IGNORED, Outcome.NOISE, Outcome.DIFFERENCE)
FAILED = (Outcome.CANDIDATE_ERROR, Outcome.TIMEOUT)

Answered = Callable[[int], int]


def bench(folder: Path) -> Iterator[Row]:
    """On a path of no capability, and with the shadow on one that is being compared."""
    shop = Shop(folder)
    shop.stand(Stage.SHADOW)
    plain = {"DJANGO_SETTINGS_MODULE": "tests.bench.plain"}
    pairs: list[Pair] = []
    with _load("/healthz") as answered:
        for number in range(PAIRS):
            # The one that is started first is the slower by some per cent, whichever it is.
            starts = [("ours", {}), ("plain", plain)][:: 1 if number % 2 else -1]
            with contextlib.ExitStack() as stack:
                there = {
                    name: stack.enter_context(shop.gunicorn(name, env=env)) for name, env in starts
                }
                pairs += _in_turn(answered, ours=there["ours"], peer=there["plain"])
    yield _row("a path of no capability", pairs, peer_name="no middleware", goal=at_least(0.97))
    sampled = {"STRANGLER_MANIFEST": str(shop.manifest("sampled.toml", sample=0.25))}
    unsampled = {"STRANGLER_MANIFEST": str(shop.manifest("unsampled.toml", sample=0.0))}
    with (
        shop.gunicorn("sampled", env=sampled) as ours,
        shop.gunicorn("unsampled", env=unsampled) as peer,
        shop.service(monolith=ours.port),
        _load("/api/pricing/quote", body=shop.basket()) as answered,
    ):
        pairs = [one for _ in range(PAIRS) for one in _in_turn(answered, ours=ours, peer=peer)]
        found = _row("25 % shadow", pairs, peer_name="no sampling", goal=at_least(0.90))
        time.sleep(SETTLE)
        note = told(shop.comparisons("sampled"), unsampled=shop.comparisons("unsampled"))
        yield replace(found, note=note)


def told(sampled: Counter[str], *, unsampled: Counter[str]) -> str:
    """What the shadow did meanwhile, in words.

    Raises:
        RuntimeError: nothing was compared, or something where nothing should be: then the rates
            do not tell what comparing costs.
    """
    if unsampled.total():
        raise RuntimeError(f"with `sample = 0` the shadow compared all the same: {unsampled}")
    judged = sum(sampled[outcome] for outcome in JUDGED)
    if not judged:
        raise RuntimeError(f"the shadow compared no answers, so its cost is unknown: {sampled}")
    others = [f", {one} {sampled[one]:,}" for one in FAILED if sampled[one]]
    return f"compared {judged:,}, dropped {sampled['dropped']:,}{''.join(others)}"


def _in_turn(answered: Answered, *, ours: Server, peer: Server) -> list[Pair]:
    def alone(asked: Server, other: Server) -> float:
        workers = _workers(asked)
        with frozen(other.pid):
            began = sum(map(cpu_seconds, workers))
            return answered(asked.port) / (sum(map(cpu_seconds, workers)) - began)

    turns = in_turn(lambda: alone(ours, peer), lambda: alone(peer, ours), rounds=ROUNDS)
    return [Pair(*one) for one in turns]


def _workers(server: Server) -> list[int]:
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    return [int(pid) for pid in children.read_text().split()]


def _row(what: str, pairs: list[Pair], *, peer_name: str, goal: Goal) -> Row:
    return row(
        f"middleware, {what}", pairs,
        peer_name=f"the same Django, {peer_name}", unit="requests/CPU s", goal=goal,
    )  # fmt: skip


@contextlib.contextmanager
def _load(path: str, *, body: Path | None = None) -> Iterator[Answered]:
    """Clients in a process of their own; ask it how many answers a port gives."""
    command = [sys.executable, "-m", "tests.bench.load", "--path", path]
    if body is not None:
        command += ["--body", str(body)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        Where.ELSEWHERE.pin(process.pid)

        def answered(port: int) -> int:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps({"port": port, "seconds": SECONDS}) + "\n")
            process.stdin.flush()
            found = json.loads(process.stdout.readline())
            if found["failed"]:
                raise RuntimeError(f"{found['failed']} requests for {path} failed")
            return int(found["answered"])

        yield answered
