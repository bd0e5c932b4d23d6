"""Start the parts of the system, know when they are ready, and stop every one of them."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from demo import interruptions

ROOT = Path(__file__).resolve().parent.parent


class NotReady(RuntimeError):
    """A process ended, or did not get ready in time; the message carries the end of its log."""


def free_port(lowest: int = 10_000, highest: int = 32_000) -> int:
    """A TCP port on the loopback interface that is nobody's, and nobody else is given.

    It stays reserved as long as this process lives, by a socket that is bound and does not listen:
    a server, which sets SO_REUSEADDR, may take the port, and whoever asks here may not. The range
    is below the one from which the kernel takes ports for outgoing connections.
    """
    while True:
        port = random.randint(lowest, highest)
        holder = socket.socket()
        try:
            holder.bind(("127.0.0.1", port))
        except OSError:
            holder.close()
            continue
        # Not before: with it, a port that somebody else has reserved could be bound again.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.detach()  # it stays open, and nobody is to close it
        return port


class Part:
    """One process with its log; it leads a process group of its own, so its workers go with it."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        ready: str | None = None,
    ) -> None:
        """``ready`` is a URL that answers once it is; without one it is ready at once."""
        self.name = name
        self._command = list(command)
        self._env = dict(env)
        self._log = log
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def asked(self) -> bool:
        """Somebody asks it, and so waits until it is there."""
        return self._ready is not None

    def start(self, **env: str) -> None:
        """Start it, with ``env`` on top of its own environment, and wait until it is ready.

        Raises:
            NotReady: it ended, or took longer than 30 seconds.
        """
        self.spawn(**env)
        self.wait()

    def spawn(self, **env: str) -> None:
        """Start it, and wait for nothing."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # our own command, no shell
                self._command,
                cwd=ROOT,
                env={**os.environ, **self._env, **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until it is ready.

        Raises:
            NotReady: it ended, or took longer than 30 seconds.
        """
        deadline = time.monotonic() + 30
        while not self._answers():
            if self._process is None or self._process.poll() is not None:
                raise NotReady(f"{self.name} has ended\n{self._tail()}")
            if time.monotonic() > deadline:
                raise NotReady(f"{self.name} is not ready after 30 s\n{self._tail()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def terminate(self) -> None:
        """SIGTERM, and wait for nothing."""
        self._signal(signal.SIGTERM)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for what is still there after five seconds."""
        if self._process is None:
            return
        self.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _answers(self) -> bool:
        if self._ready is None:
            return True
        try:
            with urlopen(self._ready, timeout=1) as answer:  # our own loopback URL
                return bool(answer.status < 400)  # HTTP's own border
        except HTTPError as error:
            error.close()
            return False
        except (URLError, OSError):
            return False

    def _tail(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-15:]
        return "\n".join([f"the end of {self._log}:", *lines])


def run(command: Sequence[str], *, env: Mapping[str, str], log: Path, read: str = "") -> None:
    """Run one command to its end; ``read`` is what it finds on its standard input.

    Raises:
        NotReady: it failed; the message carries its output.
    """
    done = subprocess.run(  # our own command, no shell
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **env},
        input=read,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    with log.open("a") as file:
        file.write(done.stdout)
    if done.returncode:
        raise NotReady(f"{' '.join(command)} failed with {done.returncode}\n{done.stdout}")


class Cast:
    """All parts together; leaving the ``with`` block stops every one, whatever happened."""

    def __init__(self, *parts: Part) -> None:
        self._parts = parts

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        interruptions.ignore()
        for part in self._parts:
            part.terminate()
        for part in self._parts:
            part.stop()
