"""The sample service, running, and those who speak to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from strangler.ports.trust.keys import generate
from tests.strangler.fastapi.running import Party, Service
from tests.strangler.fastapi.sample import ROUTES

SAMPLE = "tests.strangler.fastapi.sample"


@pytest.fixture(scope="session")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of the sample service."""
    folder = tmp_path_factory.mktemp("garden")
    (folder / "capabilities.toml").write_text(ROUTES)
    for party in ("monolith", "garden", "kitchen", "cellar"):
        generate(folder / "keys", party)
    generate(folder / "foreign", "monolith")
    generate(folder / "foreign", "nobody")
    return {
        "STRANGLER_MANIFEST": str(folder / "capabilities.toml"),
        "STRANGLER_KEYS": str(folder / "keys"),
        "STRANGLER_TABLE": "",
        "STRANGLER_BUILD": "b-17",
    }


@pytest.fixture(scope="session")
def garden(surroundings: dict[str, str]) -> Iterator[Service]:
    """One process for all tests that leave it as it is."""
    with Service(SAMPLE, surroundings) as service:
        yield service


@pytest.fixture(scope="session")
def keys(surroundings: dict[str, str]) -> Path:
    return Path(surroundings["STRANGLER_KEYS"])


@pytest.fixture
def edge(keys: Path, garden: Service) -> Party:
    """The monolith, which is the edge and a caller of the port."""
    return Party(keys, "monolith", to="garden", url=garden.url)


@pytest.fixture
def kitchen(keys: Path, garden: Service) -> Party:
    """A service that may call the port."""
    return Party(keys, "kitchen", to="garden", url=garden.url)
