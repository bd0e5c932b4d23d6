"""Real servers on free ports of loopback, in temporary folders; plain context managers.

::

    with Postgres() as postgres:
        url = postgres.create()  # postgresql://postgres@127.0.0.1:45123/test_1
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

import psycopg
from psycopg import sql

from demo.processes import free_port

START_SECONDS = 30.0
STOP_SECONDS = 10.0
PORT_ATTEMPTS = 3
# Debian keeps the server's programs off PATH, in one folder for each version.
DEBIAN_POSTGRES = Path("/usr/lib/postgresql")


class ServerMissingError(Exception):
    """The server's program is not on this machine; the message says how to get it."""


class ServerFailedError(Exception):
    """The server did not come up; the message ends with its log."""


class User(NamedTuple):
    """Whom a server runs as; None is whoever runs the tests."""

    uid: int | None = None
    gid: int | None = None
    groups: list[int] | None = None


class Server(ABC):
    """A program in a folder of its own, started on a free port and stopped by its pid.

    Raises, on entering:
        ServerMissingError: the program is not installed.
        ServerFailedError: it does not answer.
    """

    stop_signal = signal.SIGTERM
    place: ClassVar[str | None] = None
    """Where its folder is made; None for where temporary files are."""

    def __init__(self) -> None:
        # Not pytest's tmp_path: a Unix socket's path must be short, and the server's user must be
        # able to walk there.
        self.folder = Path(tempfile.mkdtemp(prefix="server-", dir=self.place))
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int | None:
        """Its process, while it runs."""
        return self._process.pid if self._process else None

    @abstractmethod
    def prepare(self) -> None:
        """Make the folder ready."""

    @abstractmethod
    def command(self) -> list[str]:
        """How the server is started."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether this server, and not another one on its port, answers."""

    def user(self) -> User:
        """Whom it runs as."""
        return User()

    def _start(self) -> None:
        log = self.folder / "log"
        for _ in range(PORT_ATTEMPTS):  # somebody may take the port before the server does
            self.port = free_port()
            user = self.user()
            with log.open("wb") as output:
                self._process = subprocess.Popen(
                    self.command(),
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    user=user.uid,
                    group=user.gid,
                    extra_groups=user.groups,
                )
            limit = time.monotonic() + START_SECONDS
            while self._process.poll() is None and time.monotonic() < limit:
                if self.answers():
                    return
                time.sleep(0.02)
            self._stop()
        raise ServerFailedError(f"{self.command()[0]} did not start:\n{log.read_text()}")

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(self.stop_signal)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Postgres(Server):
    """A PostgreSQL that flushes nothing to disk."""

    stop_signal = signal.SIGQUIT  # at once: there is nothing to keep

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count(1)

    def url(self, database: str = "postgres") -> str:
        """Where a database is reached, as superuser."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{next(self._numbers)}"
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database that ``create`` made, and whoever is still connected to it."""
        name = sql.Identifier(url.rpartition("/")[2])
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def prepare(self) -> None:
        """Make an empty cluster."""
        initdb = _postgres_program("initdb")
        user = self.user()
        if user.uid is not None and user.gid is not None:
            os.chown(self.folder, user.uid, user.gid)
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"]
        done = subprocess.run(
            [initdb, "--pgdata=data", "--no-sync", *options],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            user=user.uid,
            group=user.gid,
            extra_groups=user.groups,
        )
        if done.returncode:
            raise ServerFailedError(f"initdb failed:\n{done.stdout}")

    def user(self) -> User:
        """PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return User()
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(name)
                return User(entry.pw_uid, entry.pw_gid, [])
        raise ServerMissingError("PostgreSQL does not run as root: run the tests as another user")

    def command(self) -> list[str]:
        """How the server is started."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "shared_buffers": "32MB",
            "max_connections": "200",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [_postgres_program("postgres"), "-D", "data", *options]

    def answers(self) -> bool:
        """Whether this server answers on the socket in its own folder."""
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(host=str(self.folder), port=self.port, user="postgres").close()
            return True
        return False


def _postgres_program(name: str) -> str:
    versions = DEBIAN_POSTGRES.glob(f"*/bin/{name}")
    newest = max(versions, key=lambda path: float(path.parts[-3]), default=None)
    found = shutil.which(name) or newest
    if found is None:
        raise ServerMissingError("PostgreSQL is not installed: get Debian's `postgresql`")
    return str(found)
