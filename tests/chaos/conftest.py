"""Servers that may be killed, and fresh worlds on either kind of database.

``make test`` runs a bounded form of everything here; STRANGLER_CHAOS=1 the whole of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from strangler.ladder import Arm
from tests.chaos.servers import Durable
from tests.chaos.world import KINDS, World, build, sqlite_world
from tests.servers import running

CHAOS = bool(os.environ.get("STRANGLER_CHAOS"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Both kinds of database, where a test asks for any."""
    given = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "kind" in metafunc.fixturenames and "kind" not in given:
        marks = {"postgres": [pytest.mark.postgres]}
        kinds = [pytest.param(kind, marks=marks.get(kind, [])) for kind in KINDS]
        metafunc.parametrize("kind", kinds)


@pytest.fixture(scope="session")
def monolith_server() -> Iterator[Durable]:
    with running(Durable()) as server:
        yield server


@pytest.fixture(scope="session")
def service_server() -> Iterator[Durable]:
    with running(Durable()) as server:
        yield server


@pytest.fixture
def world(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Both databases, whose rows flow. A test says ``@pytest.mark.parametrize("more", …)``."""
    more = getattr(request, "param", {})
    if kind == "sqlite":
        made = sqlite_world(tmp_path, **more)
        build(made)
        yield made
        return
    servers = [request.getfixturevalue(f"{arm}_server") for arm in Arm]
    urls = [server.create() for server in servers]
    made = World(kind, tmp_path, *urls, **more)
    build(made)
    yield made
    # Every second the autovacuum looks into each database that there is.
    for server, url in zip(servers, urls, strict=True):
        server.drop(url)
