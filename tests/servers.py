"""Real servers for tests, on free ports of loopback and in temporary folders.

``Postgres`` and ``Redis`` are plain context managers, of use without pytest too; the fixtures at
the end start each at most once per pytest process (so once per xdist worker)::

    with Postgres() as postgres:
        url = postgres.create()  # postgresql://postgres@127.0.0.1:45123/test_1
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import redis

from demo.processes import free_port
from demo.servers import Postgres, Server, ServerFailedError, ServerMissingError

__all__ = [
    "Postgres", "Redis", "Server", "ServerFailedError", "ServerMissingError", "current_nginx",
    "free_port", "installed_nginx", "nginx_version", "running",
]  # fmt: skip


MEMORY = "/dev/shm"  # noqa: S108 - tempfile makes the names there
ROOMY = 2 << 30
"""Bytes in memory that are enough for what the servers of tests write."""


def _memory() -> str | None:
    """Where servers write to memory, if there is room: a database is made four times as fast.

    What a killed server has written outlives it there as it would on a disk.
    """
    try:
        said = os.statvfs(MEMORY)
    except OSError:
        return None
    return MEMORY if said.f_bavail * said.f_frsize > ROOMY else None


Server.place = _memory()


class Redis(Server):
    """A Redis that keeps nothing."""

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"redis://127.0.0.1:{self.port}/0"

    def empty(self) -> None:
        """Forget everything."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def prepare(self) -> None:
        """See that there is a Redis at all."""
        _redis_program()

    def command(self) -> list[str]:
        """How the server is started."""
        listen = ["--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket", "socket"]
        return [_redis_program(), *listen, "--save", "", "--appendonly", "no"]

    def answers(self) -> bool:
        """Whether this server answers on the socket in its own folder."""
        path = str(self.folder / "socket")
        with contextlib.suppress(redis.ConnectionError), redis.Redis(unix_socket_path=path) as own:
            return bool(own.ping())
        return False


def _redis_program() -> str:
    found = shutil.which("redis-server")
    if found is None:
        raise ServerMissingError("Redis is not installed: get Debian's `redis-server`")
    return found


CURRENT = Path(__file__).parents[1] / "var" / "servers" / "nginx-current" / "nginx"
"""As ``requirements/nginx-current.sh`` makes it."""


def installed_nginx() -> str:
    """The NGINX that PATH leads to.

    Raises:
        ServerMissingError: there is none.
    """
    # Debian keeps it where only root's PATH leads.
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise ServerMissingError("NGINX is not installed: get Debian's `nginx`")
    return found


def current_nginx() -> str:
    """The newest NGINX of the distribution, which is installed nowhere.

    Raises:
        ServerMissingError: there is none.
    """
    if not os.access(CURRENT, os.X_OK):
        raise ServerMissingError("no current NGINX: run requirements/nginx-current.sh")
    return str(CURRENT)


@functools.cache
def nginx_version(program: str) -> tuple[int, ...]:
    """What it says that it is."""
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr
    return tuple(map(int, re.findall(r"nginx/([\d.]+)", said)[0].split(".")))


ServerT = TypeVar("ServerT", bound=Server)


@contextlib.contextmanager
def running(server: ServerT) -> Iterator[ServerT]:
    """The server, started; where it is not installed, the test is skipped (and CI fails)."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(server)
        except ServerMissingError as missing:
            pytest.skip(str(missing))
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server; ``postgres.create()`` and ``postgres.drop(url)`` make databases."""
    with running(Postgres()) as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """A fresh, empty PostgreSQL database for one test."""
    url = postgres.create()
    yield url
    postgres.drop(url)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """A Redis server."""
    with running(Redis()) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: Redis) -> str:
    """An empty Redis for one test."""
    redis_server.empty()
    return redis_server.url


@pytest.fixture(
    scope="session", params=[installed_nginx, current_nginx], ids=["installed", "current"]
)
def nginx(request: pytest.FixtureRequest) -> str:
    """One NGINX after the other: what is installed, and the current one beside it."""
    try:
        program: str = request.param()
    except ServerMissingError as missing:
        pytest.skip(str(missing))
    return program
