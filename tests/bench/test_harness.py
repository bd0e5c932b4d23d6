"""What the benches stand on. Nothing here is timed."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest
from rich.console import Console

from tests.bench.__main__ import told
from tests.bench.harness import (
    Goal,
    NotReadyError,
    Pair,
    Row,
    at_least,
    at_most,
    cpu_seconds,
    in_turn,
    limit,
    row,
    serving,
    within,
)
from tests.servers import free_port


def measured(*pairs: tuple[float, float], name: str = "a thing", goal: Goal | None = None) -> Row:
    found = [Pair(*pair) for pair in pairs]
    return row(name, found, peer_name="another", unit="µs", goal=goal)


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (None, None),
        (at_most(0.5), True),
        (at_most(0.49), False),
        (at_least(0.5), True),
        (at_least(0.51), False),
        (within(-2, "µs"), True),
        (within(-2.1, "µs"), False),
        (limit(2, "µs"), True),
        (limit(1.9, "µs"), False),
    ],
)
def test_a_goal_is_met_or_missed_or_not_set(goal: Goal | None, met: bool | None):  # noqa: FBT001  # a case
    assert measured((2, 4), goal=goal).met is met


def test_a_row_tells_medians_and_the_median_of_each_round_s_ratio():
    one = measured((1, 10), (2, 10), (90, 100), (4, 4), (5, 500))
    assert (one.ours, one.peer, one.ratio) == (4, 10, 0.2)
    assert one.spread[0] < one.ratio < one.spread[1]


def test_each_side_begins_in_turn_and_the_first_round_does_not_count():
    asked: list[str] = []

    def ours() -> int:
        asked.append("ours")
        return len(asked)

    def peer() -> int:
        asked.append("peer")
        return len(asked)

    assert in_turn(ours, peer, rounds=2) == [(4, 3), (5, 6)]
    assert asked == ["ours", "peer", "peer", "ours", "ours", "peer"]


def test_the_report_is_written_and_a_missed_goal_fails_the_run(tmp_path: Path):
    report = tmp_path / "var" / "report.json"
    with (tmp_path / "said").open("w") as said:
        console = Console(file=said, width=100)
        assert told([measured((1, 2), goal=at_most(1))], console, report) == 0
        rows = [measured((1, 2)), measured((3, 2), name="a bad thing", goal=at_most(1))]
        assert told(rows, console, report) == 1
    found = json.loads(report.read_text())
    assert [(one["ratio"], one["goal"], one["met"]) for one in found] == [
        (0.5, None, None),
        (1.5, "ratio ≤ 1", False),
    ]
    keys = {"name", "ours", "peer", "peer_name", "ratio", "goal", "met", "unit"}
    assert all(keys <= one.keys() for one in found)
    assert "missed: a bad thing\n" in (tmp_path / "said").read_text()


def test_two_rows_of_one_name_are_no_report(tmp_path: Path):
    report = tmp_path / "report.json"
    with pytest.raises(ValueError, match=r"one name.*: a thing$"):
        told([measured((1, 2)), measured((2, 2))], Console(quiet=True), report)
    assert not report.exists()


def test_a_server_lives_as_long_as_its_block(tmp_path: Path):
    port = free_port()
    command = ["-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    with serving(command, ready=f"http://127.0.0.1:{port}/", log=tmp_path / "log") as pid:
        assert os.getpgid(pid) == pid
        assert cpu_seconds(pid) > 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)


def test_a_server_that_ends_is_not_waited_for_and_its_log_is_told(tmp_path: Path):
    command = ["-c", "import sys; sys.exit('no such table')"]
    url = f"http://127.0.0.1:{free_port()}/"
    with (
        pytest.raises(NotReadyError, match="no such table"),
        serving(command, ready=url, log=tmp_path / "log"),
    ):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="the clock of another process is Linux's")
def test_processor_time_grows_with_work():
    before = cpu_seconds(os.getpid())
    sum(range(1_000_000))
    assert cpu_seconds(os.getpid()) > before
