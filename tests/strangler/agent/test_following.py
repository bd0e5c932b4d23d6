"""An agent and its table: what it is told, what it makes of that, and who it can't reach."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from strangler.agent import control, following, running
from strangler.agent.control import ControlAway
from strangler.agent.following import Follower, Place
from strangler.ladder import Stage
from strangler.routing import killing
from strangler.routing.news import News
from strangler.routing.table import Table
from tests.strangler.agent.told import Plane, said, wait
from tests.strangler.django import faults
from tests.strangler.django.faults import Behave, reply
from tests.strangler.routing.folders import unprivileged

TOP = Path(__file__).parents[3]
NEWS = {"revision": 9, "entries": {}, "groups": {}, "since": {}}


@pytest.fixture
def follower(told: Plane) -> Follower:
    return told.follower()


def test_a_flip_arrives_and_is_acknowledged(told: Plane, follower: Follower) -> None:
    told.news = said(4, 30)
    assert follower.step()
    assert told.table.revision() == 4
    assert told.table.entry("weather").share.queries == 30
    assert not follower.step()
    first, second = told.reports
    assert (first.name, first.table, first.heard, first.digest) == ("front", 0, 0, "")
    assert (second.table, second.heard, second.refused) == (4, 4, "")
    assert second.digest == told.news.digest
    assert follower.rungs.at("weather", time.time(), time.time()) == 4


def test_the_same_revision_with_more_in_it_is_news(told: Plane, follower: Follower) -> None:
    told.news = said(4, 30)
    follower.step()
    told.news = said(4, 40)
    assert not follower.step(), "but no reason to hurry"
    assert told.table.entry("weather").share.queries == 40


def test_a_table_from_before_is_asked_for_what_is_retired(told: Plane) -> None:
    told.news = said(4, 1000, stage=Stage.RETIRED)
    told.follower().step()
    assert Place(told.root / "table").retired() == {"weather"}
    assert Place(told.root / "nowhere").retired() == frozenset()


def test_an_agent_that_ends_says_so(told: Plane) -> None:
    with told.following() as follower:
        wait(lambda: told.reports)
    follower.leave()
    assert told.reports[-1].leaves
    assert not told.reports[-2].leaves


class TestLocalKills:
    def test_it_stays_until_the_control_plane_goes_beyond(
        self, told: Plane, follower: Follower
    ) -> None:
        told.news = said(4, 30)
        follower.step()
        killed = killing.kill(told.root / "table", "weather", together=["weather"], groups={})
        assert told.table.entry("weather").killed
        follower.step()
        assert told.reports[-1].table == killed.revision, "so that everybody else is refused"
        told.news = said(killed.revision + 1, 30)
        assert follower.step()
        assert not told.table.entry("weather").killed
        assert follower._report.refused == ""

    def test_no_move_made_meanwhile_undoes_it(self, told: Plane, follower: Follower) -> None:
        """The control plane hears of it with the next report, and has moved on before."""
        told.news = said(4, 30)
        follower.step()
        killed = killing.kill(told.root / "table", "weather", together=["weather"], groups={})
        for revision in (5, 6, 50):
            told.news = said(revision, 500)
            follower.step()
            assert told.table.entry("weather").killed
        follower.step()
        report = told.reports[-1]
        assert (report.table, report.heard) == (killed.revision, 50)
        assert report.refused == (
            f"the table here is at revision {killed.revision}: somebody killed there"
        )
        assert follower.rungs.at("weather", time.time(), time.time()) == 4, "nobody answers so"


@pytest.mark.parametrize(
    ("behave", "why"),
    [
        (reply(500, {"message": "boom"}), "it answers 500: boom"),
        (reply(502, b"<html>"), "it answers 502: and says nothing that an agent understands"),
        (reply(403, {"message": "no"}), "it answers 403: no"),
        (reply(404, b""), "is this the control plane's URL?"),
        (reply(302, b"", "Location: /login"), "it answers 302"),
        (reply(200, b""), "its answer is no news"),
        (reply(200, b"<html>hello</html>"), "its answer is no news"),
        (reply(200, b"\xff\xfe"), "its answer is no news"),
        (reply(200, {"revision": 9}), "its answer is no news"),
        (
            reply(200, {"revision": 9, "entries": {"a/../..": {}}, "groups": {}, "since": {}}),
            "no news",
        ),
        (reply(200, {"revision": 2**63, "entries": {}, "groups": {}, "since": {}}), "no news"),
        (faults.garbage, "is no HTTP"),
        (faults.close, "closed before"),
        (faults.reset, ""),
        (faults.half, "closed before"),
        (faults.half_headers, "closed before"),
        (faults.hang, "deadline"),
        (faults.drip, "deadline"),
    ],
)
def test_whatever_the_control_plane_does_the_table_stays(
    told: Plane, follower: Follower, monkeypatch: pytest.MonkeyPatch, behave: Behave, why: str
) -> None:
    monkeypatch.setattr(control, "PATIENCE", 0.05)
    monkeypatch.setattr(following, "WAIT", 0.0)
    told.news = said(4, 30)
    while not told.table_is(4):
        follower.attempt()
    told.says = behave
    with pytest.raises(ControlAway) as away:
        follower.step()
    assert why in str(away.value)
    assert told.table.revision() == 4
    told.says, told.news = None, said(5, 30)
    follower.step()
    assert told.table.revision() == 5


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"stage": "moon"},
        {**said(9).entries["weather"], "queries": "many"},
        {**said(9).entries["weather"], "queries": None},
    ],
)
def test_news_that_this_kit_can_not_read(told: Plane, follower: Follower, entry: object) -> None:
    told.news = said(4, 30)
    follower.step()
    body = {"revision": 9, "entries": {"weather": entry}, "groups": {}, "since": {}}
    told.says = reply(200, body)
    follower.step()
    assert told.table.revision() == 4
    assert "this kit can't read the news" in follower._report.refused


def test_it_comes_back_by_itself(told: Plane, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    told.says = reply(503, {"message": "away"})
    with told.following():
        wait(lambda: len(told.reports) > 2)
        told.news, told.says = said(4, 30), None
        wait(lambda: told.table_is(4))
        wait(lambda: "answers again" in caplog.text)
    warned = [one.message for one in caplog.records if one.levelno == logging.WARNING]
    assert len(warned) == 2, "once away, once back"


def test_processes_that_do_not_agree_are_asked_now_and_then(
    told: Plane, follower: Follower
) -> None:
    """Half of them have the new manifest already."""
    told.news = said(4, 30)
    follower.attempt()
    for share in (40, 30, 40):
        told.news = said(4, share)
        assert follower.attempt() == following._ONCE
        assert told.table.entry("weather").share.queries == share


def test_a_control_plane_that_always_has_the_same_news_is_asked_now_and_then(
    told: Plane, follower: Follower
) -> None:
    """One that is newer than this agent may say what it does not understand."""
    told.news = said(4, 30)
    assert follower.attempt() == 0.0
    told.says = reply(200, {"new": 1, **msgspec.to_builtins(told.news)})
    assert [follower.attempt() for _ in range(3)] == [following._ONCE] * 3


class TestTables:
    def test_one_that_is_removed_comes_back(self, told: Plane, follower: Follower) -> None:
        told.news = said(4, 30)
        follower.step()
        shutil.rmtree(told.root / "table")
        follower.step()
        assert told.reports[-1].table == 0, "it says that it has none"
        assert told.table.entry("weather").share.queries == 30

    @pytest.mark.parametrize("damage", ["revision", "sets/weather-3"])
    def test_one_that_is_damaged_is_made_whole(
        self, told: Plane, monkeypatch: pytest.MonkeyPatch, damage: str
    ) -> None:
        monkeypatch.setattr(following, "_VERIFIED", 0.0)
        follower = told.follower()
        told.news = said(4, 30)
        follower.step()
        place = told.root / "table"
        hurt = place / damage if damage.startswith("sets") else place / "current" / damage
        if hurt.is_dir():
            shutil.rmtree(hurt)
        else:
            hurt.write_text("{")
        follower.step()
        assert told.table.entry("weather").share.queries == 30

    def test_one_that_can_not_be_written_is_named_and_tried_again(
        self, told: Plane, follower: Follower
    ) -> None:
        place = told.root / "table"
        place.write_text("in the way")
        told.news = said(4, 30)
        follower.step()
        follower.step()
        assert "in the way" not in told.reports[-1].refused
        assert "put a folder there" in told.reports[-1].refused
        assert follower.rungs.at("weather", time.time(), time.time()) is None
        place.unlink()
        follower.step()
        assert told.table.revision() == 4
        follower.step()
        assert told.reports[-1].refused == ""

    def test_one_on_a_disk_for_readers_only(self, tmp_path: Path) -> None:
        root = tmp_path / "table"
        place = Place(root)
        assert place.flip(said(3, 30)) == ""
        os.chown(root, 65534, 65534) if os.geteuid() == 0 else None
        for folder in (root, root / "revisions", root / "sets"):
            folder.chmod(0o555)
        with unprivileged():
            why = place.flip(said(4, 40))
        assert "let the user of this process write there" in why
        for folder in (root, root / "revisions", root / "sets"):
            folder.chmod(0o755)
        assert Table(root).revision() == 3
        assert place.flip(said(4, 40)) == ""

    def test_a_full_disk(self, tmp_path: Path) -> None:
        """In a process of its own, which can't be rid again of what refuses it space."""
        done = subprocess.run(
            [sys.executable, "-m", "tests.strangler.agent.full", str(tmp_path)],
            cwd=TOP,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_at_every_step_a_restart_finds_what_the_one_before_has_left(told: Plane) -> None:
    for revision in range(1, 5):
        told.news = said(revision, 10 * revision)
        told.follower().step()
        assert told.table.revision() == revision


@pytest.mark.parametrize("revision", [1, 2])
def test_an_older_revision_undoes_nothing(told: Plane, revision: int) -> None:
    """A control plane that was put back is refused, until it publishes."""
    told.news = said(3, 30)
    follower = told.follower()
    follower.step()
    told.news = said(revision, 10)
    follower.step()
    assert told.table.entry("weather").share.queries == 30
    assert "is at revision 3" in follower._report.refused


def test_news_are_the_same_for_both(told: Plane, follower: Follower) -> None:
    told.news = said(3, 30)
    follower.step()
    heard = follower._news
    assert isinstance(heard, News)
    assert heard.digest == told.news.digest


def test_an_agent_that_fails_ends_as_a_whole(told: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that whoever has started it starts it again."""

    def breaks(_: Follower) -> float:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(Follower, "attempt", breaks)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        running.run(
            [told.faults.url],
            told.root / "table",
            told.root / "keys",
            party="edge",
            audience="monolith",
            name="front",
            beside=None,
            ending=threading.Event(),
        )
    assert told.reports[-1].leaves
