"""Which databases a project's relay carries the events of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from strangler.cli import run
from strangler.django import conf
from strangler.django.events import speaking
from strangler.django.transfer.switching import hearing
from strangler.ports import runtime
from strangler.ports.errors import NotOwner
from tests.servers import free_port
from tests.strangler.events.speaking import Speaker


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Databases of two services, of which one has an outbox."""
    found = {name: f"sqlite:///{tmp_path / name}.sqlite3" for name in ("catalog", "inventory")}
    for name, url in found.items():
        monkeypatch.setenv(f"STRANGLER_{name.upper()}_DATABASE", url)
    Speaker(found["catalog"])
    (tmp_path / "inventory.sqlite3").touch()
    monkeypatch.setenv("STRANGLER_BUS", "redis://127.0.0.1:1/0")
    conf.manifest.cache_clear()
    yield found
    monkeypatch.undo()
    conf.manifest.cache_clear()


def test_services_that_have_no_outbox_yet_are_waited_for(services: dict[str, str]) -> None:
    assert [one.patient for one in speaking.relaying()] == [False, False, True]
    assert list(speaking.databases())[1:] == ["catalog"]
    Speaker(services["inventory"])
    assert [one.patient for one in speaking.relaying()] == [False] * 3


def test_a_switch_knows_whom_nobody_brings_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = conf.manifest().capabilities["catalog"]
    hears = hearing(catalog)
    assert hears("ordering")
    assert not hears("shipping"), "it subscribes to what others say"
    assert not hears("nobody")
    monkeypatch.setenv("STRANGLER_BUS", "redis://127.0.0.1:1/0")
    conf.manifest.cache_clear()
    try:
        assert not hearing(catalog)("ordering")
    finally:
        monkeypatch.undo()
        conf.manifest.cache_clear()


@pytest.mark.django_db
def test_a_broker_that_is_away_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speaking, "databases", dict)
    monkeypatch.setattr(speaking, "consumers", list)
    try:
        for bus, code in (("http", 0), ("redis://127.0.0.1:1/0", 1)):
            monkeypatch.setenv("STRANGLER_BUS", bus)
            conf.manifest.cache_clear()
            assert run(["events", "status", "--json"]) == code
            said = json.loads(capsys.readouterr().out)["bus"]
            assert (said is None) is (bus == "http")
    finally:
        monkeypatch.undo()
        conf.manifest.cache_clear()
    assert "127.0.0.1:1" in said["wrong"][0]


@pytest.mark.django_db
def test_what_one_place_refuses_the_others_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the rows of notifications are its service's, which is down."""
    monkeypatch.setenv("STRANGLER_NOTIFICATIONS_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(speaking, "databases", dict)
    conf.manifest.cache_clear()

    def away(capability: str, _: float) -> AbstractContextManager[int | None]:
        if capability == "notifications":
            raise NotOwner("elsewhere")
        return nullcontext()

    try:
        with runtime.configured(door=away):
            assert run(["events", "replay", "--all", "--json"]) == 1
            said = json.loads(capsys.readouterr().out)
            assert (said["replayed"], list(said["refused"])) == (0, ["notifications"])
            assert run(["events", "drop", "some-id", "--reason", "a test"]) == 1
            assert capsys.readouterr().err.startswith("notifications: its service ")
            assert run(["events", "parked"]) == 1
            assert capsys.readouterr().err.startswith("notifications: its service ")
            assert run(["events", "status", "--json"]) == 1
            said = json.loads(capsys.readouterr().out)
            counted = {one["consumer"]: one["parked"] for one in said["consumers"]}
            assert counted == {"ordering": 0, "shipping": 0, "notifications": None}
        with runtime.configured(door=None):
            assert run(["events", "replay", "--all"]) == 0
            assert run(["events", "replay", "--consumer", "shipping"]) == 1
            assert "does not say how a copy" in capsys.readouterr().err
            assert run(["events", "replay", "--consumer", "nobody"]) == 2
    finally:
        monkeypatch.undo()
        conf.manifest.cache_clear()
