"""Whoever publishes may be killed at any instant; whoever reads never sees a half table."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from strangler.routing.publish import KEPT, publish
from strangler.routing.table import Table
from tests.strangler.routing import crowd

pytestmark = pytest.mark.journey

TOP = Path(__file__).parents[3]


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.strangler.routing.{program}", *arguments],
        cwd=TOP,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process: subprocess.Popen[str]) -> Any:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out)


def test_killed_or_refused_at_every_step_the_table_is_whole(tmp_path: Path):
    with start("crash", str(tmp_path)) as process:
        steps = result(process)
    assert set(steps) == {"killed", "full_once", "full_from_then_on"}
    assert all(count > 20 for count in steps.values()), steps


def test_in_a_crowd_of_publishers_nobody_reads_a_mixture(tmp_path: Path):
    root = tmp_path / "table"
    publish(root, 1, crowd.entries(1))
    with ExitStack() as stack:
        players = [
            stack.enter_context(start("crowd", role, str(root), "2.5"))
            for role in ("publish", "publish", "publish", "read", "read")
        ]
        *publishers, one, other = map(result, players)
    assert all(publisher["kills"] >= 5 for publisher in publishers), publishers
    for reader in (one, other):
        assert reader["asked"] > 20, reader
        assert reader["flips"] >= 3, reader
    last = time.monotonic_ns()
    assert publish(root, last, crowd.entries(last)) == last
    assert Table(root).entries() == crowd.entries(last)
    assert len(list((root / "revisions").iterdir())) <= KEPT
    assert [path.name for path in root.rglob(".*")] == [".lock"]
