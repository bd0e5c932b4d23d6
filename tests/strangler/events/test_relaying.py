"""What carries the events of one database is put together, or says what is missing."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from strangler.events import relaying
from strangler.events.buses import BadBus
from strangler.events.relaying import Relaying
from strangler.manifest import parse
from tests.strangler.events.sample import StarSeen
from tests.strangler.events.speaking import Speaker
from tests.strangler.manifest.writing import FILE, capability, edge


def test_the_http_bus_without_a_manifest_would_tell_nobody():
    """And what nobody is told would be deleted as told."""
    with pytest.raises(BadBus, match="--manifest"):
        Relaying("sqlite:///nowhere.sqlite3", bus="http")


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
