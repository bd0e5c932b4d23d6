"""The servers of a run: PostgreSQL and a Redis that die and come back, and the wire to it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from demo.servers import free_port
from strangler.ladder import Share, Stage
from strangler.ports.trust.keys import generate
from strangler.routing.publish import publish
from strangler.routing.table import Entry
from tests.chaos.events import listeners, speakers
from tests.chaos.events.world import CONSUMERS, DIARY, GARDEN, LEASE, MANIFEST, World
from tests.chaos.servers import Durable, Wire
from tests.servers import Redis
from tests.strangler.events.buses.brokers import _again, _killed

_AT_HOME = Entry(Stage.MONOLITH, 0, held=False, killed=False, share=Share(0, 0), fallback=True)
_LIVE = Entry(Stage.LIVE, 0, held=False, killed=False, share=Share(1000, 1000), fallback=True)


class Lasting(Redis):
    """What it takes is in its file before it says so."""

    def command(self) -> list[str]:
        return [*super().command(), "--appendonly", "yes", "--appendfsync", "always"]

    def kill(self) -> None:
        """All at once."""
        _killed(self, signal.SIGKILL)

    def again(self) -> None:
        """Where it was."""
        _again(self)


class Place:
    """What stands for the length of a run: servers that can be struck, and a world in them."""

    def __init__(
        self, world: World, *, server: Durable | None, broker: Lasting | None, wire: Wire | None
    ) -> None:
        self.world = world
        self.server = server
        self.broker = broker
        self.wire = wire


@contextlib.contextmanager
def place(
    kind: str, *, server: Durable | None = None, total: int, pace: float, mutation: str = ""
) -> Iterator[Place]:
    """A fresh world of this kind. A PostgreSQL ``server`` may serve several, one after another."""
    folder = Path(tempfile.mkdtemp(prefix="told-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        broker: Lasting | None = None
        wire: Wire | None = None
        ports: dict[str, int] = {}
        if kind == "redis":
            assert server is not None
            broker = stack.enter_context(Lasting())
            wire = Wire(broker.port)
            stack.callback(wire.close)
            urls = [server.create() for _ in range(1 + len(CONSUMERS))]
            for url in urls:
                stack.callback(server.drop, url)
            bus = f"redis://127.0.0.1:{wire.port}/0?lease={LEASE:g}s"
        else:
            urls = [f"sqlite:///{folder / name}.sqlite3" for name in ("sky", *CONSUMERS)]
            bus = f"http?lease={LEASE:g}s"
            ports = {name: free_port() for name in (DIARY, f"{GARDEN}0", f"{GARDEN}1")}
            (folder / "capabilities.toml").write_text(MANIFEST.format_map(ports))
            for party in ("monolith", GARDEN, "sky"):
                generate(folder / "keys", party)
            publish(folder / "table", 1, {DIARY: _AT_HOME, "sky": _AT_HOME, GARDEN: _LIVE})
        world = World(
            kind=kind, folder=folder, speaks=urls[0], bus=bus, total=total, pace=pace,
            hears=dict(zip(CONSUMERS, urls[1:], strict=True)), ports=ports, mutation=mutation,
        )  # fmt: skip
        speakers.prepare(world)
        listeners.prepare(world)
        yield Place(world, server=server if kind == "redis" else None, broker=broker, wire=wire)


def crash(server: Durable) -> None:
    """PostgreSQL, with all its backends; it comes back by itself."""
    if server.pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGKILL)


def hold(world: World, seconds: float) -> contextlib.AbstractContextManager[None]:
    """Keep a file of SQLite for oneself, as a backup does, for so long."""
    return _held(world.speaks.removeprefix("sqlite:///"), seconds)


@contextlib.contextmanager
def _held(path: str, seconds: float) -> Iterator[None]:
    connection = sqlite3.connect(path, timeout=seconds, isolation_level=None)
    try:
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("BEGIN IMMEDIATE")
        yield
    finally:
        connection.close()
