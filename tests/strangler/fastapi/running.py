"""A service as a real process, and requests to it as a kit party or anybody else makes them."""

from __future__ import annotations

import atexit
import functools
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from strangler.ports import headers as names
from strangler.ports.context import Context
from strangler.ports.trust.keys import Keyring
from strangler.ports.trust.tokens import Use, mint
from tests.docs.warm import OF_A_SERVICE, programs
from tests.servers import Server

ROOT = Path(__file__).parents[3]
JSON = {"Content-Type": "application/json"}


_open = ExitStack()
atexit.register(_open.close)


@functools.cache
def warm_python() -> str:
    """A ``python`` that has imported what services have in common, and no Django."""
    folder = Path(_open.enter_context(TemporaryDirectory(prefix="services-")))
    return str(_open.enter_context(programs(folder, OF_A_SERVICE)) / "python")


class Service(Server):
    """``python -m module`` on a free port; its log is in ``folder / "log"``.

    A ``cold`` one is the process itself that signals go to, and imports everything.
    """

    def __init__(self, module: str, env: Mapping[str, str], *, cold: bool = False) -> None:
        super().__init__()
        self._cold = cold
        self._python = sys.executable if cold else warm_python()
        self._module = module
        self._env = dict(env)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """There is nothing to prepare."""

    def command(self) -> list[str]:
        env = {"PYTHONPATH": str(ROOT), **self._env}
        return [
            "env", *(f"{name}={value}" for name, value in env.items()),
            self._python, "-m", self._module, "--port", str(self.port),
        ]  # fmt: skip

    def answers(self) -> bool:
        try:
            return self.get("/healthz").status == 200
        except OSError:
            return False

    def get(self, path: str, **more: Any) -> Answered:
        return ask(self.url, "GET", path, **more)

    def signal(self, number: int) -> None:
        assert self._process is not None
        assert self._cold or number in {signal.SIGINT, signal.SIGTERM}, "no other is passed on"
        self._process.send_signal(number)

    def gone(self, within: float = 30.0) -> int:
        """Its exit code, once it has ended."""
        assert self._process is not None
        return self._process.wait(within)

    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def said(self) -> list[dict[str, Any]]:
        """What it has logged by now."""
        time.sleep(0.15)  # access lines are written in batches
        text = (self.folder / "log").read_text()
        return [json.loads(line) for line in text.splitlines()]


def started(module: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """What becomes of a service that can't start, or of a command of its."""
    return subprocess.run(
        [warm_python(), "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@dataclass(frozen=True)
class Answered:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str]:
        """Status and name of an error in the one shape."""
        found = self.json()
        assert found.keys() == {"error", "message", "detail"}
        assert self.headers["content-type"] == "application/json"
        return self.status, found["error"]

    @property
    def refused(self) -> tuple[int, str]:
        """The same, and nothing was executed."""
        assert self.headers[names.EXECUTED.lower()] == "no"
        return self.error


def ask(
    url: str,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answered:
    """One request on a connection of its own; the path goes out as it is."""
    connection = http.client.HTTPConnection(str(urlsplit(url).netloc), timeout=10)
    try:
        skip_host = "Host" in (headers or {})
        connection.putrequest(method, "/", skip_host=skip_host, skip_accept_encoding=True)
        # http.client would refuse what a hostile client sends.
        connection._buffer[0] = f"{method} {path} HTTP/1.1".encode("latin-1")  # type: ignore[attr-defined]
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answered(answer.status, found, answer.read())
    finally:
        connection.close()


def raw(url: str, data: bytes, *, leave: bool = False) -> bytes:
    """Whatever comes back for these bytes until the connection ends; ``leave``: we end it."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(data)
        if leave:
            connection.shutdown(socket.SHUT_WR)
        found = b""
        while chunk := connection.recv(65536):
            found += chunk
        return found


class Party:
    """A kit party that speaks to one service."""

    def __init__(self, keys: Path, name: str, *, to: str, url: str) -> None:
        self.keyring = Keyring.load(keys, name)
        self.to = to
        self.url = url

    def token(self, action: str, context: Context | None = None, **claims: Any) -> str:
        given = {"audience": self.to, "use": Use.HTTP, "action": action}
        return mint(self.keyring, context or Context(hops=1), **{**given, **claims})

    def call(
        self,
        method: str,
        arguments: Mapping[str, Any] | bytes = b"{}",
        *,
        context: Context | None = None,
        command: bool = False,
        headers: Mapping[str, str] | None = None,
        **claims: Any,
    ) -> Answered:
        """Call a port, as ``strangler.ports.calling.wire`` does."""
        body = arguments if isinstance(arguments, bytes) else json.dumps(arguments).encode()
        once = {"once": True, "body": body} if command else {}
        token = self.token(f"{self.to}.{method}", context, **{"use": Use.PORT, **once, **claims})
        sent = {**JSON, names.CONTEXT: token, **(headers or {})}
        return ask(self.url, "POST", f"/_strangler/ports/{self.to}/{method}", body, sent)

    def ask(
        self,
        method: str,
        path: str,
        data: bytes | None = None,
        *,
        context: Context | None = None,
        command: bool = False,
        headers: Mapping[str, str] | None = None,
        **claims: Any,
    ) -> Answered:
        """Ask the public face, as ``strangler.django.edge.service_arm`` does."""
        once = {"once": True, "body": data or b"", "target": path} if command else {}
        token = self.token(f"{self.to} {method}", context, **{**once, **claims})
        given = headers if headers is not None else JSON if data is not None else {}
        sent = {names.CONTEXT: token, **given}
        return ask(self.url, method, path, data, sent)
