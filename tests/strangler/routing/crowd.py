"""Publishers and readers of one table, in a crowd; run as a program of its own.

``crowd.py publish ROOT SECONDS`` publishes in a child which it kills at random instants, and begins
again; ``crowd.py read ROOT SECONDS`` asks all the time, or until it is told to end by SIGTERM. Both
write what they did as JSON.

A revision's number says which shares belong to it, so that a reader knows a mixture when it sees
one.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from strangler.ladder import Share
from strangler.routing.decide import Kind
from strangler.routing.publish import publish
from strangler.routing.table import Entry, Table
from tests.strangler.routing.folders import entry

CAPABILITIES = ("catalog", "pricing", "inventory")


def count(revision: int) -> int:
    """How many cohorts the service answers in a revision, of every capability."""
    return revision % 7


def entries(revision: int) -> Mapping[str, Entry]:
    return {name: entry(count(revision), count(revision)) for name in CAPABILITIES}


def publisher(root: Path, until: float) -> dict[str, int]:
    """Publish, killed again and again."""
    kills = 0
    while time.monotonic() < until:
        child = os.fork()
        if not child:
            while True:
                # Numbers that grow, whoever draws them.
                revision = time.monotonic_ns()
                publish(root, revision, entries(revision))
        time.sleep(random.uniform(0.01, 0.15))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        kills += 1
    return {"kills": kills}


def reader(root: Path, until: float) -> dict[str, int]:
    """Ask, in one's own way and in NGINX's, and believe nothing."""
    table, told = Table(root, verify_every=0.0), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    before = asked = flips = 0
    while time.monotonic() < until and not told.is_set():
        pinned = table.pinned()
        revision = pinned.revision()
        assert revision >= before, f"it went back from {before} to {revision}"
        flips += revision != before
        before = revision
        for name in CAPABILITIES:
            assert pinned.entry(name).share == Share(count(revision), count(revision))
            for kind in Kind:
                inside = sum(pinned.holds(name, kind, cohort) for cohort in range(1000))
                assert inside == count(revision), f"{inside} of {count(revision)} in {revision}"
        folder = root / (root / "current").readlink()
        try:
            links = {link.readlink() for link in folder.glob("*.*") if link.is_symlink()}
        except FileNotFoundError:
            links = set()  # pruned while we looked: ten revisions have passed
        assert len({link.name.rpartition("-")[2] for link in links}) <= 1, f"a mixture: {links}"
        asked += 1
    return {"asked": asked, "flips": flips}


if __name__ == "__main__":
    os.fsync = lambda fd: None
    role, root, seconds = sys.argv[1:]
    play = {"publish": publisher, "read": reader}[role]
    json.dump(play(Path(root), time.monotonic() + float(seconds)), sys.stdout)
