"""One aggregate's events can't be handled: they wait, in order, and cost nobody else anything."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from strangler.events import parking
from tests.chaos.conftest import CHAOS
from tests.servers import Postgres
from tests.strangler.events.listening import Listener, poison, star

KEYS, EACH = (50, 200) if CHAOS else (50, 8)
BATCH = 200 if CHAOS else 100
DEARER = 1.5 if CHAOS else 3.0
"""How much processor time of this process an event may take beside poison, against without: few
events pay dearly for the first time that poison is met."""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'notes.sqlite3'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    made = server.create()
    yield made
    server.drop(made)


def story(name: str, first: int) -> list[list[object]]:
    """So many of each star, in batches in which each star is."""
    events = [
        star(f"{name} {key}", number)
        for number in range(first, first + EACH)
        for key in range(KEYS)
    ]
    return [list(events[at : at + BATCH]) for at in range(0, len(events), BATCH)]


def cost(listener: Listener, name: str, *, bad: int = 0) -> float:
    """Processor time for each event that is handled."""
    batches = story(name, 1)
    began = time.process_time()
    for batch in batches:
        listener.consumer.take(batch)  # type: ignore[arg-type]  # they are envelopes
    return (time.process_time() - began) / ((KEYS - bad) * EACH)


def test_the_others_go_on_as_fast(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL")
    listener = Listener(url)
    for attempt in range(3):  # a busy machine may disturb one of the two
        well = cost(listener, f"well{attempt}")
        listener.trouble = poison(bad := f"ill{attempt} 7")
        ill = cost(listener, f"ill{attempt}", bad=1)
        effects = listener.effects()
        assert bad not in effects
        for key in set(range(KEYS)) - {7}:
            assert effects[f"ill{attempt} {key}"] == list(range(1, EACH + 1))
        waiting = [(name, version) for name, version, _ in listener.parked()]
        assert waiting == [(bad, version) for version in range(1, EACH + 1)]

        listener.trouble = poison()
        assert parking.replay(listener.consumer).handled == EACH
        assert listener.effects()[bad] == list(range(1, EACH + 1))
        assert listener.parked() == []
        if ill <= DEARER * well:
            break
    else:
        pytest.fail(f"{well * 1e6:.0f} µs without, {ill * 1e6:.0f} µs beside poison")
    listener.close()
