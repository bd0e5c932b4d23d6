"""Agents on the command line: which there are, and what they have made of a move."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from strangler.django.agents import registry, waiting
from strangler.django.control_plane import control, state
from strangler.django.models import Agent
from strangler.ports.trust import secret
from strangler.routing.killing import BEYOND
from strangler.routing.news import Report
from tests.strangler.cli.conftest import Terminal
from tests.strangler.django.plane import Plane

EDGE = "nginx 1.22.1"

Meanwhile = list[Callable[[], None]]


def heard(name: str, *, party: str = "edge", **more: Any) -> None:
    registry.heard(party, Report(name=name, **more))


def vanish(agent: str) -> None:
    then = timezone.now() - timedelta(minutes=2)
    Agent.objects.filter(pk=agent).update(until=then, heard_at=then)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """What agents do as soon as a move waits for them; it waits for no longer than that."""
    doing: Meanwhile = []
    wait = waiting.wait

    def patient(revision: int) -> waiting.Applied:
        while doing:
            doing.pop(0)()
        return wait(revision, patience=0.05)

    monkeypatch.setattr(waiting, "wait", patient)
    return doing


def lines(text: str) -> list[str]:
    """Without the times, which differ."""
    return [re.sub(r"\d+(\.\d)? ?ms", "N ms", line).rstrip() for line in text.splitlines()]


def test_without_agents(strangler: Terminal) -> None:
    said = strangler("edges")
    assert (said.code, said.out) == (
        0,
        "no agent follows the control plane: strangler agent --help\n",
    )
    assert strangler("edges", "--json").json == {"revision": 0, "agents": []}


def test_who_is_there_and_how_far(strangler: Terminal) -> None:
    revision = control.hold("pricing", actor="ann").revision
    heard("front", edge=EDGE, table=revision, heard=revision)
    heard("late", edge=EDGE)
    heard("full", edge=EDGE, heard=revision, refused="no space left")
    heard("gone", edge=EDGE, table=revision)
    heard("killed", edge=EDGE, table=revision + BEYOND)
    heard("one", party="pricing", table=revision, heard=revision)
    vanish("edge/gone")
    said = strangler("edges")
    assert said.code == 0
    found = {line.split()[0]: line for line in said.out.splitlines() if "/" in line.split()[0]}
    assert "none" in found["edge/late"]
    assert "behind" in found["edge/late"]
    assert "no space left" in found["edge/full"]
    assert "away" in found["edge/gone"]
    assert "2 min ago" in found["edge/gone"]
    assert str(revision + BEYOND) in found["edge/killed"]
    assert "ahead" in said.out
    assert "up to date" in found["edge/front"]
    assert EDGE in found["edge/front"]
    assert EDGE not in found["pricing/one"]
    agents = strangler("edges", "--json").json["agents"]
    front = next(one for one in agents if one["agent"] == "edge/front")
    assert front.pop("age") < 5
    assert front == {
        "agent": "edge/front", "alive": True, "table": revision, "heard": revision,
        "refused": None, "edge": EDGE,
    }  # fmt: skip
    assert [one["alive"] for one in agents if one["agent"] == "edge/gone"] == [False]


def test_a_move_says_who_has_applied_it(strangler: Terminal, meanwhile: Meanwhile) -> None:
    meanwhile.append(partial(heard, "front", edge=EDGE, table=1, heard=1))
    said = strangler("hold", "pricing")
    assert lines(said.out) == [
        "pricing: held on monolith, revision 1",
        "applied by 1 of 1 edges, N ms",
    ]
    meanwhile.append(partial(heard, "front", edge=EDGE, table=2, heard=2))
    told = strangler("resume", "pricing", "--json").json["agents"]
    assert told.pop("seconds") < 5
    assert told == {
        "revision": 2, "applied": ["edge/front"], "refused": {}, "late": [], "away": [],
    }  # fmt: skip


def test_a_move_names_who_has_not(strangler: Terminal, meanwhile: Meanwhile) -> None:
    heard("late", edge=EDGE)
    heard("gone", edge=EDGE)
    vanish("edge/gone")
    meanwhile += [
        partial(heard, "front", edge=EDGE, table=1, heard=1),
        partial(heard, "full", edge=EDGE, heard=1, refused="no space left"),
        partial(heard, "one", party="pricing", table=1, heard=1),
    ]
    said = strangler("hold", "pricing")
    assert said.code == 0, "it is done all the same"
    assert lines(said.out) == [
        "pricing: held on monolith, revision 1",
        "applied by 1 of 3 edges, N ms",
        "applied by 1 of 1 tables beside services, N ms",
        "edge/full refuses: no space left",
        "edge/late has not said anything yet: see strangler edges",
        "edge/gone is away since 2 min; nobody waits for it",
    ]


def test_a_move_without_agents_says_nothing_of_them(strangler: Terminal) -> None:
    assert strangler("hold", "pricing").out == "pricing: held on monolith, revision 1\n"
    told = strangler("resume", "pricing", "--json").json["agents"]
    assert (told["applied"], told["late"], told["away"]) == ([], [], [])
    assert strangler("resume", "pricing", "--json").json["agents"] is None, "nothing has moved"


def test_publishing_says_who_has_applied_it(strangler: Terminal, meanwhile: Meanwhile) -> None:
    meanwhile.append(partial(heard, "front", edge=EDGE, table=1, heard=1))
    said = strangler("publish")
    assert lines(said.out)[1:] == ["applied by 1 of 1 edges, N ms"]
    assert strangler("publish", "--json").json["agents"]["applied"] == ["edge/front"]


def test_where_somebody_has_killed_the_next_move_says_so(
    strangler: Terminal, meanwhile: Meanwhile
) -> None:
    strangler("hold", "pricing")
    heard("front", edge=EDGE, table=1 + BEYOND)
    said = strangler("resume", "pricing")
    assert said.code == 1
    assert f"table of edge/front is at revision {1 + BEYOND}" in " ".join(said.err.split())
    assert strangler("kill", "pricing").code == 0
    assert state.revision() == 2 + BEYOND
    assert meanwhile == []


def test_a_database_that_goes_away_after_a_move_leaves_it_done(
    strangler: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_revision: int) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(waiting, "wait", away)
    said = strangler("hold", "pricing")
    assert said.code == 0
    assert said.out.startswith("pricing: held on monolith, revision 1\n")
    assert "connection refused" in said.err
    said = strangler("resume", "pricing", "--json")
    assert (said.code, said.json["revision"], said.json["agents"]) == (0, 2, None)


def test_keys_of_an_edge_come_with_its_secret(strangler: Terminal, kit: Plane) -> None:
    assert strangler("keys", "edge").out == "made the keys of edge in ROOT/keys\n"
    path = kit.root / "keys" / secret.FILE
    assert path.stat().st_mode & 0o777 == 0o600
    made = path.read_text()
    assert re.fullmatch(r"[0-9a-f]{64}", made)
    assert (kit.root / "keys" / "edge.private.json").stat().st_mode & 0o777 == 0o600
    assert strangler("keys", "edge", "pricing").code == 0
    assert path.read_text() == made, "one that is there is left alone"
    path.unlink()
    assert strangler("keys", "pricing").code == 0
    assert not path.exists()
    assert strangler("keys", "edge").code == 0
    assert path.exists()


@pytest.mark.parametrize(
    "way", ["bad URL", "bad port", "no keys", "no NGINX", "bad name", "bad listen"]
)
def test_an_agent_that_can_not_begin_says_why_in_a_line(
    strangler: Terminal, kit: Plane, tmp_path: Path, way: str
) -> None:
    strangler("keys", "edge")
    options = {
        "--control": "http://127.0.0.1:9", "--table": str(tmp_path / "table"),
        "--keys": str(kit.root / "keys"), "--manifest": str(kit.root / "capabilities.toml"),
    }  # fmt: skip
    changes, code, why = {
        "bad URL": ({"--control": "127.0.0.1:9"}, 2, "is no base URL: write http://host:port"),
        "bad port": ({"--control": "http://127.0.0.1:70000"}, 2, "Port out of range"),
        "no keys": ({"--keys": str(tmp_path / "none")}, 1, "edge.private.json"),
        "no NGINX": ({"--nginx": str(tmp_path / "n"), "--program": "no-nginx"}, 1, "can't be run"),
        "bad name": ({"--name": "my host"}, 2, "'my host'"),
        "bad listen": (
            {"--nginx": str(tmp_path / "n"), "--listen": "nowhere.invalid:80"}, 1, "host not found",
        ),
    }[way]  # fmt: skip
    pairs = {**options, **changes}.items()
    said = strangler("agent", *(word for pair in pairs for word in pair), "--once")
    assert said.code == code
    assert why in " ".join(said.err.split())
    assert "Traceback" not in said.err
    if code == 1:
        assert len(said.err.splitlines()) <= 4
