"""Control planes for agents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.strangler.agent.told import Plane, plane


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test writes need not survive the machine."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Plane]:
    """A control plane that says what the test wants."""
    with plane(tmp_path) as made:
        yield made
