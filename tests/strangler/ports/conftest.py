"""A process wired for nothing but the sample port, and put back as it was afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from strangler.manifest.model import Resilience
from strangler.ports import remote, runtime
from strangler.ports.keys import Keyring, generate
from strangler.ports.tokens import Remembered
from tests.strangler.ports.sample import Shop


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the keys of the monolith and of the service."""
    folder = tmp_path_factory.mktemp("keys")
    for party in ("monolith", "shop", "stranger"):
        generate(folder, party)
    return folder


@pytest.fixture
def wired(keys: Path) -> Iterator[None]:
    """This process is the monolith, with keys and without a table; nothing is retried."""
    bare = {
        name: getattr(runtime.Wiring(), name)
        for name in runtime.Wiring.__slots__
        if name not in {"keyring", "replays", "resilience"}
    }
    keyring = Keyring.load(keys, "monolith")
    once = Resilience(attempts=1)
    with runtime.configured(
        **bare, keyring=keyring, replays=Remembered(), resilience=lambda _capability: once
    ):
        yield
        remote.close()
    runtime.unregister(Shop)
