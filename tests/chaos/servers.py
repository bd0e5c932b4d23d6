"""A PostgreSQL that may be killed and comes back where it was, with all that it had committed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Self

import psycopg

from demo.servers import User
from tests.servers import Postgres, Server, ServerMissingError


class Durable(Postgres):
    """Two databases' server, watched: whenever it is gone it is started again at once.

    It flushes nothing to the disk, as no power fails here; but whatever is acknowledged has been
    handed to the operating system.
    """

    def __init__(self) -> None:
        super().__init__()
        self.crashes = 0
        self._ending = threading.Event()
        self._watch: threading.Thread | None = None

    def __enter__(self) -> Self:
        super().__enter__()
        self._watch = threading.Thread(target=self._keep, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        if self._watch is not None:
            self._watch.join()
        super().__exit__()

    def command(self) -> list[str]:
        return [*super().command(), "-c", "synchronous_commit=on", "-c", "autovacuum_naptime=1s"]

    def kill(self) -> None:
        """All of it, as a machine that fails; returns once it is there again."""
        before = self.crashes
        assert self.pid is not None
        os.kill(self.pid, signal.SIGKILL)
        while self.crashes == before:
            time.sleep(0.02)

    def _keep(self) -> None:
        while not self._ending.wait(0.02):
            process = self._process
            if process is not None and process.poll() is not None:
                self._again()
                self.crashes += 1

    def _again(self) -> None:
        """On its old port, as soon as the last backend of the old one has gone."""
        while not self._ending.is_set():
            user = self.user()
            with (self.folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    self.command(), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
                    stderr=log, user=user.uid, group=user.gid, extra_groups=user.groups,
                )  # fmt: skip
            while self._process.poll() is None and not self._ending.is_set():
                if self.answers():
                    return
                time.sleep(0.02)
            time.sleep(0.05)


class Bouncer(Server):
    """PgBouncer in front of one server: a connection of its own for each transaction."""

    stop_signal = signal.SIGQUIT

    def __init__(self, server: Postgres) -> None:
        super().__init__()
        self._server = server

    def url(self, direct: str) -> str:
        """The same database, by way of the pool."""
        return direct.replace(f":{self._server.port}/", f":{self.port}/")

    def user(self) -> User:
        return self._server.user()

    def prepare(self) -> None:
        self.folder.chmod(0o755)
        (self.folder / "users").write_text('"postgres" ""\n')

    def command(self) -> list[str]:
        program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        if not Path(program).exists():
            raise ServerMissingError("PgBouncer is not installed: get Debian's `pgbouncer`")
        settings = {
            "listen_addr": "127.0.0.1", "listen_port": self.port, "pool_mode": "transaction",
            "auth_type": "trust", "auth_file": self.folder / "users", "default_pool_size": 4,
            "unix_socket_dir": "",
        }  # fmt: skip
        said = "\n".join(f"{name} = {value}" for name, value in settings.items())
        there = f"* = host=127.0.0.1 port={self._server.port}"
        config = self.folder / "pgbouncer.ini"
        config.write_text(f"[databases]\n{there}\n[pgbouncer]\n{said}\n")
        return [program, str(config)]

    def answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            url = self.url(self._server.url())
            psycopg.connect(url, connect_timeout=2, prepare_threshold=None).close()
            return True
        return False


class Wire:
    """A way to a server that can be cut: what was on it stays there, as in a real network.

    Nobody is told: neither end sees the other close.
    """

    def __init__(self, port: int) -> None:
        self._there = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._whole = threading.Event()
        self._whole.set()
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    def close(self) -> None:
        self._whole.set()
        for end in (self._listener, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._there))
                except OSError:  # nobody is there, and whoever comes next may find somebody
                    near.close()
                    continue
                self._ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while sent := one.recv(65536):
                self._whole.wait()
                other.sendall(sent)
            other.shutdown(socket.SHUT_WR)
