"""Brokers that die and come back where they were, one for each bus; all keep what they took."""

from __future__ import annotations

import itertools
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Self

from strangler.events.buses import Bus
from strangler.events.buses.connect import connect
from strangler.events.buses.kafka.bus import topic_of
from strangler.events.envelope import PARTITIONS
from tests.servers import Postgres, Redis, Server
from tests.strangler.events.buses.mocked import MockKafka

PATIENCE = 30.0


class Broker(ABC):
    """What a bus stands on. ``lease``: seconds until a dead process's partitions go on."""

    url: str
    database: str | None = None
    lease = 2.0
    says_that_it_is_away = True
    """At once, where others wait for it to come back."""
    most = 1_000_000
    """Events that it can keep."""
    exact = True
    """What was acknowledged never comes again, even behind what was not."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._numbers = itertools.count(1)
        self.consumers: dict[str, list[str]] = {}
        """Who listens to a capability: only ``http`` has to know."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def topic(self, *consumers: str) -> str:
        """A capability that nobody else speaks as, and who listens to it."""
        name = f"said{next(self._numbers)}"
        self.consumers[name] = list(consumers)
        return name

    def bus(self, *, lease: float | None = None) -> Bus:
        """A connection of one's own."""
        url, _, _ = self.url.partition("?")
        return connect(
            f"{url}?lease={lease or self.lease:g}s",
            database=self.database,
            consumers=lambda type_: self.consumers[type_.partition(".")[0]],
        )

    @abstractmethod
    def kill(self) -> None:
        """End it as a crash would."""

    @abstractmethod
    def again(self) -> None:
        """Start it where it was."""


def _killed(server: Server, how: signal.Signals) -> None:
    process = server._process
    assert process is not None
    process.send_signal(how)
    process.wait(PATIENCE)


def _again(server: Server) -> None:
    """On the same port, over the same files."""
    user = server.user()
    with (server.folder / "log").open("ab") as log:
        server._process = subprocess.Popen(
            server.command(), cwd=server.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            user=user.uid, group=user.gid, extra_groups=user.groups,
        )  # fmt: skip
    until = time.monotonic() + PATIENCE
    while not server.answers():
        assert time.monotonic() < until, (server.folder / "log").read_text()
        time.sleep(0.02)


class _LastingRedis(Redis):
    """It writes down what it takes before it says so."""

    def command(self) -> list[str]:
        return [*super().command(), "--appendonly", "yes", "--appendfsync", "everysec"]


class _LastingPostgres(Postgres):
    """A commit is in the log before it is told of."""

    def command(self) -> list[str]:
        return [*super().command(), "-c", "synchronous_commit=on"]


class RedisBroker(Broker):
    """Redis, with its append-only file."""

    def __init__(self) -> None:
        super().__init__()
        self._server = self._stack.enter_context(_LastingRedis())

    @property
    def url(self) -> str:  # type: ignore[override]
        return f"{self._server.url}?lease={self.lease:g}s"

    def kill(self) -> None:
        _killed(self._server, signal.SIGKILL)

    def again(self) -> None:
        _again(self._server)


class PostgresBroker(Broker):
    """Queues in PostgreSQL."""

    def __init__(self) -> None:
        super().__init__()
        self._server = self._stack.enter_context(_LastingPostgres())
        self.url = f"http?lease={self.lease:g}s"
        self.database = self._server.create()

    def kill(self) -> None:
        _killed(self._server, signal.SIGQUIT)  # all of it: by SIGKILL its processes would live on

    def again(self) -> None:
        _again(self._server)


class SqliteBroker(Broker):
    """Queues in a file of SQLite, which can't die, but can be kept by somebody else."""

    says_that_it_is_away = False

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="queues-"))
        self._stack.callback(shutil.rmtree, self.folder)
        self.url = f"http?lease={self.lease:g}s"
        self.database = f"sqlite:///{self.folder}/queues.db"
        with closing(sqlite3.connect(self.folder / "queues.db")) as connection:
            connection.execute("PRAGMA journal_mode = WAL")

    def kill(self) -> None:
        self._other = sqlite3.connect(self.folder / "queues.db", isolation_level=None)
        self._other.execute("BEGIN EXCLUSIVE")

    def again(self) -> None:
        self._other.close()


class KafkaBroker(Broker):
    """The mock cluster of librdkafka."""

    most = 12_000  # in memory, and 5 MB of each partition
    says_that_it_is_away = False
    exact = False

    def __init__(self) -> None:
        super().__init__()
        self._cluster = self._stack.enter_context(MockKafka())
        self.url = f"kafka://{self._cluster.servers}?lease={self.lease:g}s"

    def topic(self, *consumers: str) -> str:
        name = super().topic(*consumers)
        self._cluster.topic(topic_of(name), PARTITIONS)
        return name

    def kill(self) -> None:
        self._cluster.down()

    def again(self) -> None:
        self._cluster.up()
