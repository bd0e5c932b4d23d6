"""The long form: ``make chaos``. Many seeds, each with every place of the protocol struck once.

Says a line for each run, and ends with 1 if anything was lost, twice, or an error for a client.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.chaos.campaign import Campaign, Outcome, Unsettled
from tests.chaos.faults import Blow, Fault, faults, mixed
from tests.chaos.servers import Durable
from tests.chaos.world import KINDS, World, build, sqlite_world

SECONDS = float(os.environ.get("STRANGLER_CHAOS_SECONDS", "600"))
"""After which no new run is begun."""
SWITCHES = 20
ENOUGH = 0.8
"""The share of the places that have to have been struck."""
_HEAD = (
    "kind", "seed", "what", "commands", "past", "denied", "switches", "struck", "lost", "twice",
    "wrong", "apart", "errors", "freeze", "slowest", "took",
)  # fmt: skip
_WIDTHS = (9, 4, 8, 8, 5, 6, 8, 6, 5, 5, 5, 5, 6, 7, 7, 5)
_LINE = " ".join(f"{{:>{width}}}" for width in _WIDTHS)


def main() -> int:
    """Run what there is time for."""
    end, failed = time.monotonic() + SECONDS, 0
    print(_LINE.format(*_HEAD), flush=True)
    with Durable() as first, Durable() as second:
        for seed in range(1000):
            for kind in KINDS:
                for what in _PLANS if kind == "postgres" else ("calm", "movers"):
                    if time.monotonic() > end and seed:
                        return int(failed > 0)
                    failed += not _run(kind, seed, what, (first, second))
    return int(failed > 0)


def _run(kind: str, seed: int, what: str, servers: tuple[Durable, Durable]) -> bool:
    began = time.monotonic()
    with _world(kind, what, servers) as world:
        try:
            with Campaign(world, seed=seed) as campaign:
                _PLANS[what](campaign, seed)
                outcome = campaign.finish()
        except Unsettled as unsettled:
            print(f"{kind:9} {seed:>4} {what:8} {unsettled}", flush=True)
            return False
    _say(kind, seed, what, outcome, time.monotonic() - began)
    if not _enough(what, outcome):
        print("    too little has happened to prove anything: is the machine too busy?", flush=True)
        return False
    return outcome.clean


def _enough(what: str, outcome: Outcome) -> bool:
    if what == "calm":
        return outcome.switched >= SWITCHES
    return len(outcome.struck) >= ENOUGH * len(faults(Blow.KILL))


def _say(kind: str, seed: int, what: str, outcome: Outcome, took: float) -> None:
    found = outcome.found
    print(
        _LINE.format(
            kind, seed, what, found.acknowledged, found.written, found.denied, outcome.switched,
            len(outcome.struck), len(found.lost), len(found.twice), len(found.wrong),
            len(found.apart), len(found.errors), f"{outcome.longest:.2f}", f"{found.slowest:.2f}",
            f"{took:.0f}",
        ),
        flush=True,
    )  # fmt: skip
    for problem in found.problems[:10]:
        print(f"    {problem}", flush=True)


@contextlib.contextmanager
def _world(kind: str, what: str, servers: tuple[Durable, Durable]) -> Iterator[World]:
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    lease = 10.0 if what == "calm" else 2.0
    urls = [server.create() for server in servers] if kind == "postgres" else []
    try:
        if urls:
            rough = what == "servers"
            world = World(kind, folder, urls[0], urls[1], lease=lease, rough=rough)
        else:
            world = sqlite_world(folder, lease=lease)
        build(world)
        yield world
    finally:
        for server, url in zip(servers, urls, strict=False):
            server.drop(url)
        shutil.rmtree(folder, ignore_errors=True)


def _calm(campaign: Campaign, _: int) -> None:
    """Ten times there, ten times back, and nothing befalls anybody."""
    campaign.switch_often(SWITCHES)


def _movers(campaign: Campaign, seed: int) -> None:
    """Movers are killed or stopped at every place, or all applications are killed."""
    _strike(campaign, mixed(seed, Blow.KILL, Blow.STOP, Blow.APPLICATIONS))


def _servers(campaign: Campaign, seed: int) -> None:
    """Servers are killed at every place, connections are cut; so are movers and writers."""
    _strike(campaign, mixed(seed, Blow.OLD_CRASHES, Blow.NEW_CRASHES, Blow.CUT), cut=True)


def _strike(campaign: Campaign, places: list[Fault], *, cut: bool = False) -> None:
    for number, fault in enumerate(places):
        campaign.strike(fault)
        if number % 3 == 0:
            campaign.kill_writer()
        if number % 5 == 1:
            campaign.kill_mover()
        if cut and number % 4 == 2:
            campaign.cut_some()


_PLANS: dict[str, Callable[[Campaign, int], None]] = {
    "calm": _calm, "movers": _movers, "servers": _servers,
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
