"""Open shops, one on each kind of database."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import databases
from tests.chaos.conftest import CHAOS
from tests.e2e.rehearsing.shop import Rehearsed, opened

collect_ignore_glob = [] if CHAOS else ["test_*.py"]
"""By `make chaos`: `make test` has the parts, and the film climbs on either database."""
KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(scope="package", params=KINDS)
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rehearsed]:
    folder: Path = tmp_path_factory.mktemp(f"rehearsed-{request.param}")
    with databases.opened(request.param, folder) as found, opened(found, folder) as shop:
        yield shop


@pytest.fixture(autouse=True)
def quiet() -> None:
    logging.getLogger("httpx").setLevel(logging.WARNING)
