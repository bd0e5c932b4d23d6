"""A port call that stays in the process, beside the plain method call that it stands for.

Wired as in a monolith under Django: with guard, observer and the routing table on disk, which is
pinned once for each request, as is the client's cohort.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path

import django

from strangler.ladder import Stage, Standing
from strangler.ports import runtime
from strangler.ports.bind import bind
from strangler.ports.context import Context, Trace, User, use
from strangler.ports.serve import serve
from strangler.ports.trust import keys
from strangler.routing.publish import publish
from tests.bench.harness import Pair, Row, in_turn, row, run, within
from tests.bench.parts import MANIFEST, Parts, PartsService

ROUNDS = 301
CALLS = 100
"""Few at a time, or what is measured is the thread that counts so many."""


def bench(folder: Path) -> Iterator[Row]:
    """``local``, which is settled, and ``auto``, which the ladder places anew each time."""
    _begin(folder)
    from strangler.django.control_plane import state
    from strangler.django.ports import placing

    service = PartsService()
    serve(Parts, service)
    parts = bind(Parts)
    entry = state.entry(Standing(Stage.CANARY, 25), with_tables=False)
    publish(folder / "table", 1, {"parts": entry})
    request = Context(user=User("4711"), cohort=_unmoved(folder), trace=Trace.begin())
    with use(request), placing.pinned():
        for placement, extra in (("local", 1.0), ("auto", 5.0)):
            with runtime.configured(placed={"parts": placement}):
                pairs = in_turn(
                    lambda: _micros(lambda: parts.part("SKU-1")),
                    lambda: _micros(lambda: service.part("SKU-1")),
                    rounds=ROUNDS,
                )
            yield row(
                f"port call, {placement}", [Pair(*one) for one in pairs],
                peer_name="plain method call", unit="µs", goal=within(extra, "µs"),
            )  # fmt: skip


def _begin(folder: Path) -> None:
    """A Django project in this process, with a database and keys of its own."""
    (folder / "capabilities.toml").write_text(MANIFEST.format(port=9))
    keys.generate(folder / "keys", "monolith")
    os.environ.update(DJANGO_SETTINGS_MODULE="tests.assets.sky.settings", SKY_ROOT=str(folder))
    run("-m", "django", "migrate", "-v0", env={})
    django.setup()


def _unmoved(folder: Path) -> int:
    """A cohort that still sees the monolith."""
    moved = {int(path.name) for path in (folder / "table/current/parts.queries").iterdir()}
    return min(set(range(1000)) - moved)


def _micros(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    for _ in repeat(None, CALLS):
        call()
    return (time.perf_counter() - began) / CALLS * 1e6
