"""What carries the events of one database is put together, or says what is missing."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from strangler.events import relaying
from strangler.events.buses import BadBus
from strangler.events.buses.connect import connect
from strangler.events.relaying import Relaying
from strangler.manifest import parse
from tests.strangler.events.listening import star
from tests.strangler.events.sample import StarSeen
from tests.strangler.events.speaking import Speaker
from tests.strangler.manifest.writing import FILE, capability, edge


def test_the_http_bus_without_a_manifest_would_tell_nobody():
    """And what nobody is told would be deleted as told."""
    with pytest.raises(BadBus, match="--manifest"):
        Relaying("sqlite:///nowhere.sqlite3", bus="http")


def test_what_waits_in_queues_is_counted_and_alarmed_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    notes = capability("notes", {"subscribes": '["sky.star.seen"]'})
    manifest = parse(edge({}) + capability("sky", {}) + notes, path=FILE, environ={})
    speaker = Speaker(f"sqlite:///{tmp_path / 'sky.sqlite3'}")
    with connect("http", database=speaker.url, consumers=lambda _: ["notes"]) as bus:
        bus.publish([star("Vega", n) for n in (1, 2, 3)])

    def counted() -> list[tuple[int]]:
        until = time.monotonic() + 60
        while not (found := speaker.rows("SELECT waiting FROM strangler_backlog")):
            assert time.monotonic() < until
            time.sleep(0.02)
        return found

    # With another bus nobody hands over what is left in queues.
    with Relaying(speaker.url, bus="kafka://127.0.0.1:1", manifest=manifest, limit=20):
        assert counted() == [(0,)]
    assert "no more are taken" not in caplog.text
    speaker.run("DELETE FROM strangler_backlog")
    with Relaying(speaker.url, bus="http", manifest=manifest, limit=20):
        assert counted() == [(3,)]
    assert "3 events wait to be published or handed over; at 20 no more" in caplog.text


def test_a_database_that_is_migrated_later_is_carried_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(relaying, "LOOK", 0.05)
    path = tmp_path / "sky.sqlite3"
    sqlite3.connect(path).close()
    notes = capability("notes", {"subscribes": '["sky.star.seen"]'})
    manifest = parse(edge({}) + capability("sky", {}) + notes, path=FILE, environ={})
    url = f"sqlite:///{path}"
    with Relaying(url, bus="http", manifest=manifest, patient=True):
        time.sleep(0.2)
        with sqlite3.connect(path) as connection:
            assert connection.execute("SELECT * FROM sqlite_master").fetchall() == []
        connection.close()
        speaker = Speaker(url)
        speaker.say(StarSeen("Vega", 1))
        until = time.monotonic() + 60
        while speaker.rows("SELECT 1 FROM strangler_outbox"):
            assert time.monotonic() < until
            time.sleep(0.02)
        assert speaker.rows("SELECT consumer FROM strangler_queue") == [("notes",)]
