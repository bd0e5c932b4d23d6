"""What a manifest says of events: who is told, and what carries them."""

from __future__ import annotations

import pytest

from strangler.manifest import HTTP, parse
from tests.strangler.manifest.writing import FILE, capability, edge, problems

SKY = capability("sky", {})
NOTES = capability("notes", {"subscribes": '["sky.star.seen", "sky.comet.gone"]'})


def test_who_is_told_what() -> None:
    manifest = parse(edge({}) + SKY + NOTES, path=FILE, environ={})
    assert manifest.capabilities["notes"].subscribes == ("sky.star.seen", "sky.comet.gone")
    assert manifest.capabilities["sky"].subscribes == ()
    assert manifest.subscribers("sky.comet.gone") == ("notes",)
    assert manifest.subscribers("sky.sun.set") == ()
    assert manifest.events.bus == HTTP
    assert manifest.events.pushed


@pytest.mark.parametrize(
    ("bus", "pushed"),
    [
        ("http", True),
        ("http?lease=5s", True),
        ("redis://127.0.0.1:6379/0", False),
        ("rediss://user:secret@redis/0?retention=7d", False),
        ("kafka://one:9092,two:9092", False),
    ],
)
def test_what_carries_them(bus: str, pushed: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    text = edge({}) + f'[events]\nbus = "{bus}"\n' + SKY
    manifest = parse(text, path=FILE, environ={})
    assert (manifest.events.bus, manifest.events.pushed) == (bus, pushed)
    manifest = parse(edge({}) + SKY, path=FILE, environ={"STRANGLER_BUS": bus})
    assert manifest.events.bus == bus


@pytest.mark.parametrize("bus", ["", " ", "rabbit://u:secret@h/", "redis", "redis://", "https://a"])
def test_what_is_no_bus_is_said_without_its_secrets(bus: str) -> None:
    (problem,) = problems(edge({}) + f'[events]\nbus = "{bus}"\n' + SKY)
    assert problem.key == "events.bus"
    assert "secret" not in f"{problem}"
    if bus.strip():
        assert "'http'" in problem.remedy
        (problem,) = problems(edge({}) + SKY, {"STRANGLER_BUS": bus})
        assert (problem.file, problem.key) == ("environment", "STRANGLER_BUS")


def test_a_wrong_key_is_said() -> None:
    (problem,) = problems(edge({}) + '[events]\nbuss = "http"\n' + SKY)
    assert (problem.key, problem.remedy) == ("events.buss", "did you mean 'bus'?")
