from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test writes need not survive the machine."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
