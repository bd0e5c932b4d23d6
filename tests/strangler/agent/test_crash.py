"""An agent may be killed at any instant: its readers never see a half table."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from strangler.routing.news import News
from tests.strangler.agent.told import Plane
from tests.strangler.routing import crowd
from tests.strangler.routing.folders import entry
from tests.strangler.routing.test_crash import result, start

pytestmark = pytest.mark.journey

TOP = Path(__file__).parents[3]
KILLS = 100


def crowded(revision: int) -> News:
    """A revision whose number says which shares belong to it, as the crowd's readers want it."""
    return News(
        revision=revision,
        entries={name: one.to_json() for name, one in crowd.entries(revision).items()},
        groups={},
        since=dict.fromkeys(crowd.CAPABILITIES, revision),
    )


def test_killed_at_random_instants_while_revisions_come(told: Plane) -> None:
    told.news = crowded(1)
    told.follower().step()
    ended = threading.Event()

    def moves() -> None:
        while not ended.wait(0.004):
            told.news = crowded(time.monotonic_ns())

    moving = threading.Thread(target=moves)
    moving.start()
    command = ["-m", "tests.strangler.agent.crash", str(told.root), told.faults.url, str(KILLS)]
    try:
        with (
            subprocess.Popen(
                [sys.executable, *command],
                cwd=TOP,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            ) as agents,
            start("crowd", "read", str(told.root / "table"), "100") as reader,
        ):
            killed = result(agents)
            reader.terminate()
            read = result(reader)
    finally:
        ended.set()
        moving.join()
    print(f"\n{killed}, and a reader {read}")  # noqa: T201 -- what it was worth this time
    assert killed["kills"] == KILLS
    assert killed["torn"], "none of them was killed while it wrote"
    assert read["flips"] >= 3, read
    # Whoever comes next goes on, and tidies up.
    told.news = crowded(time.monotonic_ns())
    told.follower().step()
    assert told.table_is(told.news.revision)
    assert told.table.entry("pricing") == entry(*[crowd.count(told.news.revision)] * 2)
    assert [path.name for path in (told.root / "table").rglob(".*")] == [".lock"]
