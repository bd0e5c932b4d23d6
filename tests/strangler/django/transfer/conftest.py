"""A shop whose catalog may move, for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.strangler.django.plane import Plane
from tests.strangler.django.transfer.rows import Rows, rows


@pytest.fixture
def catalog(kit: Plane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rows]:
    with rows(kit, tmp_path, monkeypatch) as made:
        yield made
