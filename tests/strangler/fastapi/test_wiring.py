"""Where a service's own calls go: by the table beside it, or through the monolith."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from strangler.fastapi.settings import ServiceSettings
from strangler.fastapi.wiring import wire
from strangler.ladder import Arm, Share, Stage
from strangler.manifest import load
from strangler.ports import runtime
from strangler.ports.declare import Kind
from strangler.routing.decide import Call, Reason
from strangler.routing.publish import point, prepare
from strangler.routing.table import Entry
from tests.strangler.fastapi.sample import Garden, GardenService

QUERY = Call("kitchen", Kind.QUERY, 5, None)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Kitchen is live, garden is retired."""
    entries = {
        "kitchen": Entry(
            Stage.LIVE, 0, held=False, killed=False, share=Share(1000, 1000), fallback=True
        ),
        "garden": Entry(
            Stage.RETIRED, 0, held=False, killed=False, share=Share(1000, 1000), fallback=False
        ),
    }
    point(prepare(tmp_path / "table", 1, entries))
    return tmp_path / "table"


@pytest.fixture
def settings(surroundings: dict[str, str]) -> Iterator[ServiceSettings]:
    with runtime.configured():
        yield ServiceSettings(
            manifest=Path(surroundings["STRANGLER_MANIFEST"]),
            keys=Path(surroundings["STRANGLER_KEYS"]),
        )
    runtime.unregister(Garden)


def wired(settings: ServiceSettings, table: Path | None) -> runtime.Wiring:
    wire(
        Garden,
        GardenService(),
        manifest=load(settings.manifest),
        settings=settings.model_copy(update={"table": table}),
    )
    return runtime.wiring


def test_who_it_is_and_whom_it_knows(settings: ServiceSettings):
    wiring = wired(settings, None)
    assert (wiring.party, wiring.arm) == ("garden", Arm.SERVICE)
    assert wiring.place is None
    assert wiring.urls is not None
    assert wiring.urls("kitchen", Arm.MONOLITH) == ("http://127.0.0.1:8000",)
    assert wiring.urls("kitchen", Arm.SERVICE) == ("http://127.0.0.1:8102",)
    assert wiring.resilience("kitchen").attempts == 3


def test_a_table_beside_it_places_its_calls(settings: ServiceSettings, table: Path):
    wiring = wired(settings, table)
    assert wiring.place is not None
    assert wiring.fallback is not None
    assert wiring.place(QUERY).arm is Arm.SERVICE
    assert wiring.fallback("kitchen", Kind.QUERY)
    assert not wiring.fallback("kitchen", Kind.COMMAND)
    assert not wiring.fallback("garden", Kind.QUERY)


def test_without_a_usable_table_the_monolith_places_and_it_is_said_once(
    settings: ServiceSettings, table: Path, caplog: pytest.LogCaptureFixture
):
    wiring = wired(settings, table)
    assert wiring.place is not None
    assert wiring.fallback is not None
    shutil.rmtree(table)
    with caplog.at_level(logging.ERROR):
        for _ in range(100):
            decision = wiring.place(QUERY)
            assert (decision.arm, decision.reason) == (Arm.MONOLITH, Reason.OWNER)
    assert len(caplog.records) == 1
    assert str(table) in caplog.text
    assert not wiring.fallback("kitchen", Kind.QUERY)
