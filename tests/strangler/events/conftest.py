"""Databases of both kinds that speak."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Postgres
from tests.strangler.events.speaking import Speaker


@pytest.fixture(params=["sqlite", "postgres"])
def speaker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Speaker]:
    """A fresh database with an outbox."""
    if request.param == "sqlite":
        yield Speaker(f"sqlite:///{tmp_path / 'sky.sqlite3'}")
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.create()
    yield Speaker(url)
    server.drop(url)
