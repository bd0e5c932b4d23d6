"""The relay as a process, and what a person decides about events that are set aside."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from strangler.cli import backlogs, bare, render
from strangler.events import outbox
from strangler.events.buses.connect import connect
from strangler.events.stores import Refusing
from strangler.manifest import parse
from tests.strangler.events.listening import said, star
from tests.strangler.events.sample import CometGone, StarSeen
from tests.strangler.events.speaking import Speaker
from tests.strangler.manifest.writing import FILE, capability, edge

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def speaker(tmp_path: Path) -> Speaker:
    return Speaker(f"sqlite:///{tmp_path / 'sky.sqlite3'}")


@pytest.fixture
def run(speaker: Speaker, capsys: pytest.CaptureFixture[str]) -> Run:
    """``strangler events … --json`` where there is no Django; its exit code, and what it says."""

    def run(*arguments: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = bare.run(["events", *arguments, "--database", speaker.url, "--json"])
        said = capsys.readouterr().out
        return code, json.loads(said) if said else None

    return run


@pytest.fixture
def refused(speaker: Speaker) -> list[str]:
    """The first event of a star was refused, the second waits behind it; their ids."""
    speaker.say(StarSeen("Vega", 1), StarSeen("Vega", 2), StarSeen("Sirius", 1))
    with closing(speaker.store()) as store:
        leases = store.attend("relay")
        first, second, other = store.read(range(16), 9)
        store.park(
            leases, [Refusing(first.position, "too bright"), Refusing(second.position, None)]
        )
        store.remove(leases, [other.position])
        store.leave("relay")
    return [first.event.id, second.event.id]


def test_status_says_what_somebody_has_to_see_to(run: Run, speaker: Speaker) -> None:
    code, said = run("status")
    assert (code, said["databases"][0]["waiting"]) == (0, {})
    speaker.say(StarSeen("Vega", 1))
    code, said = run("status")
    (one,) = said["databases"]
    assert (code, one["waiting"], one["relays"]) == (1, {"sky": 1}, [])
    assert one["wrong"] == ["no relay runs: strangler relay"]


def test_what_is_parked_is_listed_with_what_waits_behind_it(run: Run, refused: list[str]) -> None:
    code, said = run("parked")
    assert code == 0
    assert [(one["id"], one["version"], one["waits"]) for one in said] == [
        (refused[0], 1, False),
        (refused[1], 2, True),
    ]
    assert said[0]["reason"] == "too bright"
    assert run("status")[1]["databases"][0]["wrong"] == [
        "2 events are set aside: strangler events parked"
    ]


def test_replay_puts_back_all_of_an_aggregate(run: Run, speaker: Speaker, refused: list[str]):
    none = {"replayed": 0, "failed": 0, "put_off": 0, "refused": {}}
    for unknown in ("0190e5d2-7b4c-7c3e-9a51-0a7e6f1c2d3e", "some-other's-id"):
        assert run("replay", unknown) == (1, none)
    assert run("replay", refused[1]) == (0, none | {"replayed": 2})
    assert run("replay", "--all") == (0, none)
    rows = speaker.rows('SELECT aggregateid, version FROM strangler_outbox ORDER BY "position"')
    assert rows == [("Vega", 1), ("Vega", 2)]


def test_drop_says_why_and_lets_go_what_is_behind(run: Run, speaker: Speaker, refused: list[str]):
    done = {"dropped": {"outbox": 1}, "refused": {}}
    assert run("drop", refused[0], "--reason", "a test") == (0, done)
    for unknown in (refused[0], "some-other's-id"):
        none = {"dropped": {}, "refused": {}}
        assert run("drop", unknown, "--reason", "again") == (1, none)
    ((why,),) = speaker.rows("SELECT dropped FROM strangler_outbox_parked")
    assert why.endswith(": a test")
    assert speaker.rows("SELECT version FROM strangler_outbox") == [(2,)]


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay",),
        ("replay", "--all", "0190e5d2-7b4c-7c3e-9a51-0a7e6f1c2d3e"),
        ("replay", "--all", "--consumer", "notes"),
        ("replay", "--consumer", "notes"),
        ("drop", "--reason", "neither"),
        ("drop", "--consumer", "notes", "--reason", "whose manifest?"),
        ("drop", "--consumer", "notes", "--reason", "both", "0190e5d2-7b4c-7c3e-9a51-0a7e6f1c2d3e"),
        ("drop", "0190e5d2-7b4c-7c3e-9a51-0a7e6f1c2d3e"),
        ("drop", "0190e5d2-7b4c-7c3e-9a51-0a7e6f1c2d3e", "--reason", " "),
    ],
)
def test_half_a_command_is_none(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments)[0] == 2


def test_an_id_that_is_nowhere_is_said(speaker: Speaker, capsys: pytest.CaptureFixture[str]):
    database = ("--database", speaker.url)
    for command in (("replay", "some-id"), ("drop", "some-id", "--reason", "a test")):
        assert bare.run(["events", *command, *database]) == 1
        assert "no event some-id is set aside" in capsys.readouterr().err


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def queues(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Speaker]:
    """What was put into queues for consumers, of whom one has taken a subscription back."""
    url = f"sqlite:///{tmp_path / 'q.sqlite3'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").create()
    speaker = Speaker(url)
    with connect("http", database=url, consumers=lambda _: ("notes", "mail")) as bus:
        comet = said(CometGone(1), "1", 1)
        bus.publish([star("Vega", 1), comet, star("Vega", 2, light='"type":"sky.comet.gone"')])
    yield speaker
    if request.param == "postgres":
        request.getfixturevalue("postgres").drop(url)


def test_what_nobody_reads_is_shown_and_given_up(
    queues: Speaker,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notes = capability("notes", {"subscribes": '["sky.star.seen"]'})
    path = tmp_path / "capabilities.toml"
    path.write_text(edge({}) + capability("sky", {}) + notes)

    def run(*arguments: str) -> tuple[int, Any]:
        more = ("--database", queues.url, "--manifest", str(path), "--json")
        code = bare.run(["events", *arguments, *more])
        return code, json.loads(capsys.readouterr().out)

    def status() -> tuple[int, Any, list[tuple[str, str, int]]]:
        code, said = run("status")
        (one,) = said["databases"]
        unread = [(each["consumer"], each["type"], each["events"]) for each in one["unread"]]
        assert len(one["wrong"]) == len(unread)
        return code, one["queued"], unread

    lost = [
        ("mail", "sky.comet.gone", 1),
        ("mail", "sky.star.seen", 2),
        ("notes", "sky.comet.gone", 1),
    ]
    assert status() == (1, {"mail": 3, "notes": 3}, lost)
    code, done = run("drop", "--consumer", "mail", "--reason", "it is no more")
    assert (code, list(done["dropped"].values())) == (0, [3])
    assert run("drop", "--consumer", "mail", "--reason", "again")[0] == 1
    assert run("drop", "--consumer", "notes", "--reason", "no comets")[0] == 0
    assert status() == (0, {"notes": 2}, [])
    assert run("drop", "--consumer", "notes", "--reason", "these are read")[0] == 1

    monkeypatch.setenv("STRANGLER_BUS", "redis://127.0.0.1:1/0")
    assert status() == (1, {"notes": 2}, [("notes", "sky.star.seen", 2)])
    assert run("drop", "--consumer", "notes", "--reason", "another bus")[0] == 0
    assert status() == (0, {}, [])


def test_what_waits_for_long_in_a_queue_is_wrong(
    queues: Speaker,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notes = capability("notes", {"subscribes": '["sky.star.seen", "sky.comet.gone"]'})
    path = tmp_path / "capabilities.toml"
    path.write_text(edge({}) + capability("sky", {}) + notes)

    def status(*more: str) -> tuple[int, Any]:
        code = bare.run(["events", "status", "--database", queues.url, "--json", *more])
        (one,) = json.loads(capsys.readouterr().out)["databases"]
        return code, one

    code, one = status()
    assert (code, one["wrong"], one["queued"]) == (0, [], {"mail": 3, "notes": 3})
    assert 0 <= one["queued_oldest_seconds"]["mail"] < backlogs.WAITING
    queues.run(
        """UPDATE strangler_queue SET envelope = replace(envelope, '"time":"2', '"time":"1')"""
    )
    code, one = status("--manifest", str(path))
    assert (code, list(one["queued_oldest_seconds"])) == (1, ["notes"])
    assert [each.partition(" has waited ")[0] for each in one["wrong"][:2]] == [
        "no relay runs: strangler relay",
        "the oldest event for notes",
    ]
    assert [each.partition(" event")[0] for each in one["wrong"][2:]] == [
        "nobody brings mail 1",
        "nobody brings mail 2",
    ]
    monkeypatch.setattr(outbox, "LIMIT", 30)
    queues.say(StarSeen("Vega", 4))
    assert "4 events wait; at 30 no more are taken" in status()[1]["wrong"]


def test_what_the_broker_has_for_each_consumer_counts(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = {"subscribes": '["sky.star.seen"]'}
    listening = [capability(name, kinds) for name in ("notes", "mail")]
    text = edge({}) + capability("sky", {}) + "".join(listening)

    def carried(url: str) -> Any:
        return backlogs.carried(parse(text, path=FILE, environ={"STRANGLER_BUS": url}))

    with connect(redis_url) as bus, bus.subscribe("notes", ["sky"]) as notes:
        bus.publish([star("Vega", n) for n in range(1, 8)])
        notes.acknowledge(notes.receive(4, 30))
    found = carried(redis_url)
    assert (found.waiting, found.wrong) == ({"mail": 7, "notes": 3}, ())
    monkeypatch.setattr(outbox, "LIMIT", 60)
    assert carried(redis_url).wrong == ("7 events wait for mail",)
    render.say(backlogs.shown([], [], carried(redis_url)))
    assert capsys.readouterr().out.split() == [
        *("bus", "7", "events", "wait", "for", "mail"),
        *("mail", "7", "events", "to", "take", "notes", "3", "events", "to", "take"),
    ]
    (away,) = carried("redis://127.0.0.1:1/0").wrong
    assert "127.0.0.1:1" in away
    assert carried("http") is None


def test_a_database_without_an_outbox_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.sqlite3").touch()
    for url, wanted in (
        (f"sqlite:///{tmp_path / 'empty.sqlite3'}", "schema up to date"),
        (f"sqlite:///{tmp_path / 'none.sqlite3'}", "unable to open"),
        ("mysql://db/shop", "begins with postgresql://"),
    ):
        assert bare.run(["events", "status", "--database", url]) == 1
        assert wanted in capsys.readouterr().err


@pytest.fixture
def relay(speaker: Speaker, redis_url: str) -> Iterator[subprocess.Popen[str]]:
    program = [sys.executable, "-m", "strangler", "relay"]
    with subprocess.Popen(
        [*program, "--database", speaker.url, "--bus", redis_url],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        yield process
        process.kill()


@pytest.mark.redis
def test_the_process_carries_and_gives_its_leases_back(
    relay: subprocess.Popen[str], speaker: Speaker, redis_url: str
) -> None:
    speaker.say(*(StarSeen(f"star {number}", 1) for number in range(50)))
    until = time.monotonic() + 60
    while speaker.rows("SELECT 1 FROM strangler_outbox"):
        assert relay.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    assert len(speaker.rows("SELECT * FROM strangler_relay WHERE holder <> ''")) == 16
    relay.send_signal(signal.SIGTERM)
    said, complaints = relay.communicate(timeout=30)
    assert relay.returncode == 0, complaints
    assert said == "the relay carries the events of 1 database\n"
    assert speaker.rows("SELECT * FROM strangler_relay WHERE holder <> ''") == []
    with redis.Redis.from_url(redis_url) as client:
        assert sum(client.xlen(one) for one in client.scan_iter("*events:sky*")) == 50
