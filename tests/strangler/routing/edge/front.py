"""A real NGINX with the compiled files, before a monolith and a service that do as told."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from strangler.ladder import Share, Stage
from strangler.manifest import Manifest
from strangler.manifest.read import parse
from strangler.ports.context import Trace
from strangler.ports.trust.clients import Key
from strangler.routing.nginx import CLIENTS, Settings, clients_map, compiled
from strangler.routing.publish import publish
from strangler.routing.table import Entry
from tests.servers import nginx_version, running
from tests.strangler.django.faults import Behave, Faults, Seen, faults, reply
from tests.strangler.routing.nginx import Nginx

SECRET = "0123456789abcdef0123456789abcdef"


class Front(Nginx):
    """The compiled files, on a free port, and on a socket in its own folder."""

    def __init__(
        self,
        manifest: Manifest,
        settings: Settings,
        keys: Sequence[Key] = (),
        program: str | None = None,
    ) -> None:
        super().__init__(http="", server="", program=program)
        self._keys = keys
        self._manifest = manifest
        self._settings = settings

    def write(self) -> None:
        """Compile anew, for this version."""
        listen = f"127.0.0.1:{self.port}"
        version = nginx_version(self.program)
        settings = replace(self._settings, listen=listen, version=version)
        files = compiled(self._manifest, settings)
        for name, text in files.items():
            (self.folder / name).write_text(text, encoding="utf-8")
        (self.folder / "secret.map").write_text(f'edge "{SECRET}";\n')
        (self.folder / CLIENTS).write_text(clients_map(self._manifest, self._keys))
        user = "user root;\n" if os.geteuid() == 0 else ""
        listens = f"listen {listen};\n        listen unix:{self.folder}/socket;"
        whole = files["nginx.conf"].replace(f"listen {listen};", listens)
        whole = whole.replace("worker_processes auto;", "worker_processes 1;")
        log = files["log.conf"].replace("flush=1s", "flush=10ms")
        (self.folder / "log.conf").write_text(log)
        upstreams = files["upstreams.conf"].replace("valid=5s", "valid=1s")
        (self.folder / "upstreams.conf").write_text(upstreams)
        (self.folder / "nginx.conf").write_text(f"daemon off;\n{user}{whole}")

    def command(self) -> list[str]:
        """How the server is started."""
        self.write()
        path = str(self.folder / "nginx.conf")
        return [self.program, "-p", str(self.folder), "-c", path, "-e", "error.log"]

    def log(self) -> list[dict[str, Any]]:
        """The access log, as far as it is written."""
        text = (self.folder / "access.json").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def errors(self) -> str:
        """The error log."""
        return (self.folder / "error.log").read_text()


@dataclass(slots=True)
class Answer:
    """What a client got; nothing, if the connection broke."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    whole: bool = True

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def arm(self) -> str | None:
        return self.header("X-Strangler-Arm")

    @property
    def reason(self) -> str | None:
        return self.header("X-Strangler-Reason")

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Asks byte by byte as it is told, on a connection that is kept as long as it may be."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._peer: socket.socket | None = None
        self._stream: Any = None

    def close(self) -> None:
        if self._peer is not None:
            self._stream.close()
            self._peer.close()
            self._peer = None

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        host: str = "testserver",
    ) -> Answer:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        data = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
        return self.send(data, head=method == "HEAD")

    def send(self, data: bytes, *, head: bool = False) -> Answer:
        if self._peer is None:
            self._peer = socket.create_connection(("127.0.0.1", self._port), 15)
            self._peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._stream = self._peer.makefile("rb")
        with contextlib.suppress(BrokenPipeError):
            self._peer.sendall(data)
        answer, kept = self._read(head=head)
        if not kept:
            self.close()
        return answer

    def more(self) -> Answer:
        """What is answered to the rest of what was sent; 0 once the connection is closed."""
        if self._peer is None:
            return Answer(0, whole=False)
        answer, kept = self._read(head=False)
        if not kept:
            self.close()
        return answer

    def _read(self, *, head: bool) -> tuple[Answer, bool]:
        first = self._stream.readline()
        if not first:
            return Answer(0, whole=False), False
        if not first.startswith(b"HTTP/"):  # as they answered before there were headers
            return Answer(9, body=first + self._stream.read()), False
        status = int(first.split()[1])
        headers = []
        while line := self._stream.readline().rstrip(b"\r\n"):
            name, _, value = line.decode("latin-1").partition(":")
            headers.append((name, value.strip()))
        answer = Answer(status, headers)
        kept = (answer.header("Connection") or "").lower() != "close"
        length = answer.header("Content-Length")
        if head or status in {100, 204, 304}:
            return answer, kept
        if length is not None:
            answer.body = self._stream.read(int(length))
            answer.whole = len(answer.body) == int(length)
        elif answer.header("Transfer-Encoding") == "chunked":
            while size := int(self._stream.readline() or b"0", 16):
                answer.body += self._stream.read(size)
                self._stream.readline()
            answer.whole = bool(self._stream.readline())
        else:
            answer.body = self._stream.read()
            kept = False
        return answer, kept and answer.whole


def telling(seen: Seen) -> dict[str, Any]:
    """What an upstream saw."""
    return {
        "method": seen.method,
        "target": seen.target,
        "headers": [[name.lower(), value] for name, value in seen.headers],
        "body": seen.body.decode("latin-1"),
    }


def monolith(token: str = "a.good.token") -> Behave:
    """Says which arm has answered, as the kit's middleware does, and gives out this token."""

    def behave(peer: socket.socket, seen: Seen) -> None:
        if seen.target.startswith("/_strangler/edge/"):
            context = f"X-Strangler-Context: {token}\r\n" if token else ""
            peer.sendall(f"HTTP/1.1 204 No Content\r\n{context}\r\n".encode())
            return
        reason = seen.header("X-Strangler-Reason")
        trace = Trace.continued(seen.header("traceparent"), seen.header("tracestate"))
        ours = ["X-Strangler-Arm: monolith", f"X-Strangler-Reason: {reason}"] if reason else []
        ours += [f"traceparent: {trace.header}"] if reason else []
        reply(200, {"arm": "monolith"} | telling(seen), *ours)(peer, seen)

    return behave


def service(peer: socket.socket, seen: Seen) -> None:
    """Says what it was asked."""
    ours = ["X-Strangler-Arm: monolith", "X-Strangler-Reason: nonsense", "traceparent: x"]
    reply(200, {"arm": "service"} | telling(seen), *ours)(peer, seen)


MANIFEST = """
[edge]
monolith = "http://127.0.0.1:9"
sticky   = {sticky}

[capability.weather]
context  = "weather"
owner    = "team-sky"
contract = "weather:Weather"
service  = {services}
routes   = ["/weather/", "/*/forecasts/today/", "/käse/"]
queries  = ["POST /weather/search", "PUT /*/forecasts/today/seen"]
{transfer}

[capability.weather.resilience]
timeout  = "{timeout}"
breaker  = {{ failures = {failures}, reset = "30s" }}

[capability.tides]
context  = "tides"
owner    = "team-sea"
contract = "tides:Tides"
service  = {services}
routes   = ["/tides/", "/weather/tides/"]
"""


@dataclass
class System:
    """A client, NGINX, a monolith and a service."""

    front: Front
    client: Client
    monolith: Faults
    service: Faults
    table: Path
    manifest: Manifest
    revision: int = 0

    def stand(self, queries: int, commands: int | None = None) -> None:
        """Both capabilities' shares, in cohorts."""
        self.revision += 1
        share = Share(queries, queries if commands is None else commands)
        entry = Entry(Stage.CANARY, 1, held=False, killed=False, share=share, fallback=True)
        publish(self.table, self.revision, dict.fromkeys(self.manifest.capabilities, entry))

    def ask(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        return self.client.ask(method, target, headers, body)

    def reset(self) -> None:
        """Everybody answers, and has seen nothing."""
        self.monolith.behave, self.service.behave = monolith(), service
        self.monolith.seen.clear()
        self.service.seen.clear()

    @property
    def asked(self) -> list[Seen]:
        """What the monolith was asked but for tokens."""
        return [one for one in self.monolith.seen if not one.target.startswith("/_strangler/")]


@contextlib.contextmanager
def system(
    root: Path,
    *,
    sticky: str = '["header:X-Tenant", "cookie", "address"]',
    tables: bool = False,
    timeout: str = "9s",
    failures: int = 1000,
    replicas: int = 1,
    retired: frozenset[str] = frozenset(),
    text: str = MANIFEST,
    keys: Sequence[Key] = (),
    program: str | None = None,
    resolver: str | None = None,
) -> Iterator[System]:
    """All four, started; the first replica of several is nobody."""
    with faults() as home, faults() as one:
        nobody = ['"http://127.0.0.1:9"'] * (replicas - 1)
        text = text.format(
            service=one.url,
            port=one.port,
            services=f"[{', '.join([*nobody, json.dumps(one.url)])}]",
            sample=0,
            sticky=sticky,
            timeout=timeout,
            failures=failures,
            transfer='transfer = "weather:tables"' if tables else "",
        )
        environ = {"STRANGLER_MONOLITH_URL": home.url}
        manifest = parse(text, path=Path("capabilities.toml"), environ=environ)
        table = root / "table"
        settings = Settings(table=str(table), retired=retired, resolver=resolver)
        front = Front(manifest, settings, keys, program)
        with running(front):
            client = Client(front.port)
            made = System(front, client, home, one, table, manifest)
            made.stand(0)
            made.reset()
            try:
                yield made
            finally:
                client.close()
