"""Which databases a project's relay carries the events of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from strangler.django import conf
from strangler.django.events import speaking
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
