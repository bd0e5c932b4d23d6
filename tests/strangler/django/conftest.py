"""A control plane for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.strangler.django.behind_edge import Edge, edge
from tests.strangler.django.plane import Plane, plane


@pytest.fixture
def kit(tmp_path: Path, settings: Any, db: None) -> Iterator[Plane]:
    """A control plane of its own, where every capability stands on ``monolith``."""
    with plane(tmp_path, settings) as made:
        yield made


@pytest.fixture
def shop(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, db: None
) -> Iterator[Edge]:
    """A foreign project behind the middleware edge, and a service that can fail."""
    with edge(tmp_path, settings, monkeypatch) as made:
        yield made
