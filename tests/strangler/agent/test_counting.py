"""What an edge has answered is told once, under the rung that it was answered on."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strangler import latency
from strangler.agent import counting, reading
from strangler.agent.control import ControlAway
from strangler.agent.counting import Counter, Rungs
from strangler.agent.reading import Log
from strangler.routing.news import Counted
from tests.strangler.agent.told import Plane, line
from tests.strangler.django.faults import close, reply

NOW = 1_800_000_000.0


class TestRungs:
    def test_a_request_counts_for_the_rung_on_which_it_began(self) -> None:
        rungs = Rungs()
        rungs.learn({"weather": 3}, NOW)
        rungs.learn({"weather": 7, "tides": 2}, NOW + 10)
        later = NOW + 11
        assert rungs.at("weather", NOW - 1, later) is None
        assert rungs.at("weather", NOW + 9.9, later) == 3
        assert rungs.at("weather", NOW + 10.1, later) == 7
        assert rungs.at("tides", NOW + 9.9, later) is None
        assert rungs.at("snow", NOW + 10.1, later) is None

    def test_what_is_no_other_rung_makes_no_difference(self) -> None:
        rungs = Rungs()
        rungs.learn({"weather": 3}, NOW)
        rungs.learn({"weather": 3}, NOW + 10)
        assert rungs.at("weather", NOW + 1, NOW + 11) == 3

    def test_old_ones_are_forgotten_once_no_request_can_be_of_them(self) -> None:
        rungs = Rungs()
        for number in range(1000):
            rungs.learn({"weather": number}, NOW + number)
        assert len(rungs._known) < 100
        assert rungs.at("weather", NOW + 950, NOW + 1000) == 950

    def test_a_clock_that_is_set_back(self) -> None:
        rungs = Rungs()
        rungs.learn({"weather": 3}, NOW)
        assert rungs.at("weather", NOW - 3600, NOW - 3599) == 3
        rungs.learn({"weather": 4}, NOW - 3600)
        assert rungs.at("weather", NOW - 3590, NOW - 3580) == 4
        assert rungs.at("weather", NOW - 3601, NOW - 3580) is None

    def test_a_clock_that_is_set_forward(self) -> None:
        rungs = Rungs()
        rungs.learn({"weather": 3}, NOW)
        assert rungs.at("weather", NOW + 3600, NOW + 3601) == 3


class Desk:
    """A counter, and the log that it reads."""

    def __init__(self, told: Plane) -> None:
        self.path = told.root / "access.json"
        self.path.touch()
        self.rungs = Rungs()
        self.rungs.learn({"weather": 5}, time.time() - 10)
        self.reopened = 0
        self.counter = Counter(
            Log(self.path), self.rungs, told.control(), name="front", reopen=self.reopen
        )

    def reopen(self) -> None:
        self.reopened += 1
        self.path.touch()

    def write(self, *lines: Any) -> None:
        with self.path.open("a") as file:
            file.writelines(json.dumps(one) + "\n" for one in lines)


@pytest.fixture
def desk(told: Plane) -> Iterator[Desk]:
    made = Desk(told)
    yield made
    made.counter._log.close()


def amounts(told: Plane) -> list[list[Counted]]:
    return [list(one.counted) for one in told.counts]


BUCKET = latency.bucket(0.01)
ONE = Counted("weather", 5, "service", "query", BUCKET, 1, 0, 0)


def test_equal_ones_are_one_number(told: Plane, desk: Desk) -> None:
    now = time.time()
    desk.write(
        line(now),
        line(now, status=500),
        line(now, arm="monolith", reason="fallback"),
        line(now, arm="monolith", reason="outside"),
        line(now, kind="commands"),
        line(now, seconds=1),
        line(now, capability="", kind=""),
    )
    desk.counter.step()
    (counted,) = amounts(told)
    assert sorted(counted, key=repr) == sorted(
        [
            Counted("weather", 5, "service", "query", BUCKET, 3, 2, 1),
            Counted("weather", 5, "monolith", "query", BUCKET, 1, 0, 0),
            Counted("weather", 5, "service", "command", BUCKET, 1, 0, 0),
            Counted("weather", 5, "service", "query", latency.bucket(1), 1, 0, 0),
        ],
        key=repr,
    )
    assert told.counts[0].name == "front"
    desk.counter.step()
    assert len(told.counts) == 1, "nothing new is nothing to tell"


def test_a_request_that_began_before_a_flip(told: Plane, desk: Desk) -> None:
    now = time.time()
    desk.rungs.learn({"weather": 6}, now - 1)
    desk.write(line(now, seconds=1.5), line(now, seconds=0.5))
    desk.counter.step()
    assert {one.since for one in told.counts[0].counted} == {5, 6}


def test_what_was_not_heard_is_told_again_as_it_was(told: Plane, desk: Desk) -> None:
    desk.write(line(time.time()))
    told.count = close  # it has heard everything, and says nothing
    for _ in range(2):
        with pytest.raises(ControlAway):
            desk.counter.step()
        desk.write(line(time.time()))
    told.count = reply(204, b"")
    desk.counter.step()
    desk.counter.step()
    first, second, third, fourth = told.counts
    assert first == second == third
    assert first.counted == (ONE,)
    assert fourth.batch > first.batch
    assert fourth.counted[0].requests == 2


def test_whoever_is_behind_goes_on_from_there(told: Plane, desk: Desk) -> None:
    """As one whose clock was set back while it was down."""
    desk.write(line(time.time()))
    ahead = time.time_ns() + 10**15
    told.count = reply(200, {"last": ahead})
    desk.counter.step()
    told.count = reply(204, b"")
    desk.write(line(time.time()))
    desk.counter.step()
    desk.counter.step()
    refused, again, new = told.counts
    assert (refused.counted, again.counted, new.counted) == ((ONE,), (ONE,), (ONE,))
    assert refused.batch < ahead < again.batch < new.batch


@pytest.mark.parametrize("status", [403, 409, 500, 503])
def test_what_is_refused_is_kept(told: Plane, desk: Desk, status: int) -> None:
    desk.write(line(time.time()))
    told.count = reply(status, {"message": "not now"})
    with pytest.raises(ControlAway, match=f"{status}: not now"):
        desk.counter.step()
    told.count = reply(204, b"")
    desk.counter.step()
    assert amounts(told) == [[ONE], [ONE]]


def test_nobody_is_told_more_than_a_message_holds(
    told: Plane, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "_MOST", 3)
    desk.write(*(line(time.time(), seconds=2**number / 1000) for number in range(8)))
    for _ in range(4):
        desk.counter.step()
    assert [len(one) for one in amounts(told)] == [3, 3, 2]
    assert len({one.batch for one in told.counts}) == 3


def test_a_whole_message_is_never_too_large() -> None:
    """The control plane takes a megabyte."""
    from strangler.django.agents.endpoints import LIMIT
    from strangler.routing.news import Counts, encode

    one = Counted("x" * 40, 2**53, "monolith", "command", 87, 2**40, 2**40, 2**40)
    assert (
        len(encode(Counts(name="x" * 100, batch=2**63 - 1, counted=(one,) * counting._MOST)))
        < LIMIT
    )


def test_a_line_that_can_not_be_read_stops_nothing(
    told: Plane, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    with desk.path.open("ab") as file:
        file.write(b"\xff no json\n{}\n\n")
    desk.write(line(time.time()))
    desk.counter.step()
    assert amounts(told) == [[ONE]]
    assert len([one for one in caplog.records if "can't be read" in one.message]) == 1


def test_while_nobody_knows_the_rung_nothing_is_counted(told: Plane, desk: Desk) -> None:
    desk.write(line(time.time() - 3600))
    desk.counter.step()
    assert told.counts == []


def test_the_log_is_put_away_also_while_nobody_hears(
    told: Plane,
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(reading, "LARGEST", 10)
    told.count = reply(503, {"message": "away"})
    with caplog.at_level(logging.WARNING):
        for _ in range(9):
            desk.write(line(time.time()))
            desk.counter.attempt()
            assert desk.path.stat().st_size < 500
    assert desk.reopened >= 4
    assert len([one for one in caplog.records if "is kept" in one.message]) == 1, "said once"
    told.count = reply(204, b"")
    for _ in range(4):
        desk.counter.attempt()
    heard = {one.batch: one for one in told.counts}
    assert sum(one.requests for some in heard.values() for one in some.counted) == 9
    old = desk.path.with_name("access.json.1")
    assert old.exists()
    assert len(list(desk.path.parent.glob("access.json*"))) == 2, "one before it, and no more"


def test_a_log_that_may_not_be_read_is_no_end(
    told: Plane, desk: Desk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk.counter._log.close()
    desk.path.replace(tmp_path / "kept")
    desk.path.mkdir()
    desk.counter.attempt()
    assert "Is a directory" in caplog.text
    desk.path.rmdir()
    desk.write(line(time.time()))
    desk.counter.attempt()
    assert amounts(told) == [[ONE]]
