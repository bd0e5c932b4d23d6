"""Open shops, one on each kind of database; and no chatter of the clients."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo import databases
from tests.chaos.conftest import CHAOS
from tests.chaos.servers import Durable
from tests.e2e.transfer.street import Street, opened
from tests.servers import running

collect_ignore_glob = [] if CHAOS else ["test_*.py"]
"""In order, and for minutes, by `make chaos`; `make test` plays the film on either database."""


@contextmanager
def on_sqlite(folder: Path) -> Iterator[Street]:
    folder.mkdir(exist_ok=True)
    with databases.opened("sqlite", folder) as files, opened(files, folder) as street:
        yield street


@contextmanager
def on_postgres(folder: Path, server: Durable) -> Iterator[Street]:
    folder.mkdir(exist_ok=True)
    with opened(databases._on(server), folder) as street:
        yield street


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with on_sqlite(tmp_path_factory.mktemp("sqlite")) as street:
        yield street


@pytest.fixture(scope="session")
def server() -> Iterator[Durable]:
    """A PostgreSQL that comes back when it is killed."""
    with running(Durable()) as found:
        yield found


@pytest.fixture(scope="session")
def postgres_street(server: Durable, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with on_postgres(tmp_path_factory.mktemp("postgres"), server) as street:
        yield street


@pytest.fixture(autouse=True)
def quiet() -> None:
    logging.getLogger("httpx").setLevel(logging.WARNING)
