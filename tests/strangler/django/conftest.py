"""A control plane for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.strangler.django.plane import Plane, plane


@pytest.fixture
def kit(tmp_path: Path, settings: Any, db: None) -> Iterator[Plane]:
    """A control plane of its own, where every capability stands on ``monolith``."""
    with plane(tmp_path, settings) as made:
        yield made
