"""The edges that are measured, and the two arms behind them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from demo.servers import Server
from strangler.ladder import Share, Stage
from strangler.manifest import Manifest
from strangler.manifest.read import parse
from strangler.routing.nginx import Settings, compiled
from strangler.routing.publish import publish
from strangler.routing.table import Entry
from tests.bench.harness import cpu_seconds
from tests.bench.load import ask, request
from tests.servers import ServerMissingError, nginx_version, running
from tests.strangler.routing.nginx import Nginx

CAPABILITY = "weather"
PATH = f"/{CAPABILITY}/rome"
KEPT = 32
"""Connections that each NGINX keeps to each arm: as many as clients have."""

_BODY = '{"city": "rome", "sky": "' + "clear " * 100 + '"}'
_ANSWERS = f"""
    access_log off;
    default_type application/json;
    location /_strangler/edge/ {{
        add_header X-Strangler-Context a.good.token;
        return 204;
    }}
    location / {{
        add_header X-Arm %s;
        add_header traceparent 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01;
        return 200 '{_BODY}';
    }}
"""
_PROXY = """
    location / {{
        {asks}
        proxy_pass http://arm;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header X-Forwarded-Proto $scheme;
    }}
    {token}
"""
_ASKS = """
        auth_request /token;
        auth_request_set $token $upstream_http_x_strangler_context;
        proxy_set_header Authorization "";
        proxy_set_header Cookie "";
        proxy_set_header X-Token $token;
"""
_TOKEN = """
    location = /token {
        internal;
        proxy_pass http://arm/_strangler/edge/;
        proxy_pass_request_body off;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_set_header Content-Length "";
        proxy_cache tokens;
        proxy_cache_key "$http_host $http_authorization $http_cookie";
        proxy_cache_valid 204 5s;
    }
"""
_MANIFEST = """
[edge]
monolith = "{monolith}"
sticky   = ["cookie"]
"""
_CAPABILITY = """
[capability.{name}]
context  = "{name}"
owner    = "team-sky"
contract = "{name}:Port"
service  = ["{service}"]
routes   = ["/{name}/"]
resilience.concurrency = {kept}
"""
_HAPROXY = """
global
    nbthread 1
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
    http-reuse always
    option forwardfor
frontend edge
    bind 127.0.0.1:{port}
    bind unix@{folder}/socket
    http-request set-header X-Forwarded-Host %[req.hdr(Host)]
    http-request set-header X-Forwarded-Proto http
    acl chosen req.cook(arm) -m str service
    http-request set-var(txn.dice) rand(100) if !{{ req.cook(arm) -m found }}
    use_backend service if chosen
    use_backend service if {{ var(txn.dice) -m int lt 10 }}
    default_backend monolith
backend monolith
    cookie arm insert indirect nocache
    server monolith {monolith} cookie monolith
backend service
    cookie arm insert indirect nocache
    server service {service} cookie service
"""
_CADDY = """
{{
    admin off
    auto_https off
    log {{
        level ERROR
    }}
}}
http://127.0.0.1:{port} {{
    reverse_proxy {hosts} {{
        lb_policy cookie arm
    }}
}}
"""


def pinned(command: list[str], *, measured: bool) -> list[str]:
    """The command on the processor of what is measured, or on the others."""
    first, *others = sorted(os.sched_getaffinity(0))
    there = [first] if measured or not others else others
    return ["taskset", "--cpu-list", ",".join(map(str, there)), *command]


def used(server: Server) -> float:
    """Seconds of processor time that it and its workers have used."""
    pid = server.pid or 0
    workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(map(cpu_seconds, [pid, *map(int, workers)]))


class Pinned(Nginx):
    """An NGINX on its own processor, or off it."""

    def __init__(
        self, *, http: str = "", server: str, measured: bool, program: str | None = None
    ) -> None:
        super().__init__(http=http, server=server, program=program)
        self._measured = measured

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """How the server is started."""
        command = super().command()
        path = self.folder / "nginx.conf"
        path.write_text(
            path.read_text().replace("worker_connections 64", "worker_connections 4096")
        )
        return pinned(command, measured=self._measured)


class Arms(NamedTuple):
    """Whoever is behind an edge."""

    monolith: Pinned
    service: Pinned

    def manifest(self, count: int) -> Manifest:
        """That has so many capabilities."""
        names = [CAPABILITY, *(f"other{number}" for number in range(1, count))]
        pieces = [
            _CAPABILITY.format(name=name, service=self.service.url, kept=KEPT) for name in names
        ]
        text = _MANIFEST.format(monolith=self.monolith.url) + "".join(pieces)
        return parse(text, path=Path("capabilities.toml"), environ={})


@contextlib.contextmanager
def arms() -> Iterator[Arms]:
    """Both, of which each says that it is it."""
    with (
        running(Pinned(server=_ANSWERS % "monolith", measured=False)) as monolith,
        running(Pinned(server=_ANSWERS % "service", measured=False)) as service,
    ):
        yield Arms(monolith, service)


def table(folder: Path, manifest: Manifest, revision: int, cohorts: int) -> Path:
    """A table in which the service has so many cohorts of every capability."""
    publish(folder / "table", revision, dict.fromkeys(manifest.capabilities, entry(cohorts)))
    return folder / "table"


def entry(cohorts: int) -> Entry:
    """What it says of one."""
    share = Share(cohorts, cohorts)
    return Entry(Stage.CANARY, 1, held=False, killed=False, share=share, fallback=True)


class Edge(Pinned):
    """The compiled files, as one worker."""

    def __init__(
        self, manifest: Manifest, table: Path, *, logs: bool = False, program: str | None = None
    ) -> None:
        super().__init__(server="", measured=True, program=program)
        self._manifest = manifest
        self._table = table
        self._logs = logs

    def command(self) -> list[str]:
        """How the server is started."""
        self.write(frozenset())
        path = str(self.folder / "nginx.conf")
        command = [self.program, "-p", str(self.folder), "-c", path, "-e", "error.log"]
        return pinned(command, measured=True)

    def write(self, retired: frozenset[str]) -> None:
        """Compile; these go to their service without a look at the table."""
        settings = Settings(
            table=str(self._table),
            listen=f"127.0.0.1:{self.port}",
            version=nginx_version(self.program),
            user="root" if os.geteuid() == 0 else None,
            retired=retired,
        )
        for name, text in compiled(self._manifest, settings).items():
            (self.folder / name).write_text(self._ours(name, text), encoding="utf-8")
        (self.folder / "secret.map").write_text('edge "0123456789abcdef";\n')

    def _ours(self, name: str, text: str) -> str:
        if name == "log.conf" and not self._logs:
            return "access_log off;\n"
        if name != "nginx.conf":
            return text
        listen = f"listen 127.0.0.1:{self.port};"
        whole = text.replace(listen, f"{listen}\n        listen unix:{self.folder}/socket;")
        return "daemon off;\n" + whole.replace("worker_processes auto;", "worker_processes 1;")

    def reload(self) -> None:
        """Let it read its files again."""
        os.kill(int((self.folder / "nginx.pid").read_text()), signal.SIGHUP)


class Plain(Pinned):
    """What is written by hand where there is one arm only."""

    def __init__(self, arm: Pinned, *, asks: bool = False) -> None:
        """It may ask for a token first, which it puts in the credentials' place."""
        http = f"upstream arm {{ server 127.0.0.1:{arm.port}; keepalive {KEPT}; }}"
        if asks:
            http += " proxy_cache_path tokens levels=1 keys_zone=tokens:8m use_temp_path=off;"
        server = _PROXY.format(asks=_ASKS if asks else "", token=_TOKEN if asks else "")
        super().__init__(http=http, server=server, measured=True)


class Other(Server):
    """A proxy that is no NGINX, which gives the service ten per cent of new clients."""

    def __init__(self, name: str, both: Arms) -> None:
        super().__init__()
        self._name = name
        self._arms = both

    def prepare(self) -> None:
        """See that there is one."""
        self._program()

    def _program(self) -> str:
        found = shutil.which(self._name, path=f"{os.environ['PATH']}:/usr/sbin")
        if found is None:
            raise ServerMissingError(f"{self._name} is not installed: get Debian's `{self._name}`")
        return found

    def command(self) -> list[str]:
        """How it is started."""
        monolith, service = (f"127.0.0.1:{one.port}" for one in self._arms)
        words = {"port": self.port, "folder": self.folder, "monolith": monolith, "service": service}
        path = self.folder / "configuration"
        if self._name == "haproxy":
            path.write_text(_HAPROXY.format(**words))
            command = [self._program(), "-f", str(path), "-db"]
        else:
            # Caddy has no weights: one name in ten is the service's.
            path.write_text(_CADDY.format(**words, hosts=" ".join([service, *[monolith] * 9])))
            told = ["run", "--adapter", "caddyfile", "--config", str(path)]
            command = ["env", "GOMAXPROCS=1", f"HOME={self.folder}", self._program(), *told]
        return pinned(command, measured=True)

    def answers(self) -> bool:
        """Whether it does."""
        with contextlib.suppress(OSError):
            return b"x-arm: " in ask(self.port, request(PATH, b"")).lower()
        return False
