"""A process wired for nothing but the sample port, and put back as it was afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from strangler.manifest.model import Resilience
from strangler.ports import runtime
from strangler.ports.calling import remote, retry
from strangler.ports.calling.awaiting import call
from strangler.ports.testing import placed
from strangler.ports.transports import httpx
from strangler.ports.trust.keys import Keyring, generate
from strangler.ports.trust.tokens import Remembered
from tests.strangler.django.faults import Faults, faults, reply
from tests.strangler.ports.callers import SPADE, Ask
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


@pytest.fixture(params=["http", "httpx"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Call a method, waiting or awaiting."""
    if request.param == "http":
        return lambda method, *args: method(*args)

    async def awaited(method: Callable[..., Any], *args: Any) -> Any:
        try:
            return await call(method, *args)
        finally:
            await httpx.close()

    return lambda method, *args: asyncio.run(awaited(method, *args))


@pytest.fixture
def service(wired: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """The service, behaving well until it is told otherwise."""
    monkeypatch.setattr(retry, "FIRST", 0.002)
    monkeypatch.setattr(retry, "JITTER", 0.002)
    with faults() as service, placed("remote"):
        service.behave = reply(200, SPADE)
        runtime.configure(urls=lambda _capability, _arm: (service.url,))
        yield service
