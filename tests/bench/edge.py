"""What the compiled NGINX costs beside a plain one, and beside others that split ten per cent.

Each edge has one processor to itself, as one worker; what it asks and the clients (wrk) share the
others. The edges are asked in turn. Flips are watched from outside: by a client that asks without a
pause, from just before the rename to the first answer of the other arm.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from demo.servers import Server
from strangler.ladder import COHORTS, Share, Stage
from strangler.manifest import Manifest
from strangler.manifest.read import parse
from strangler.routing.nginx import Settings, compiled
from strangler.routing.publish import point, prepare, publish
from strangler.routing.table import Entry
from tests.bench.harness import Goal, Pair, Row, at_least, in_turn, limit, row
from tests.bench.load import ask
from tests.servers import ServerMissingError, running
from tests.strangler.routing.nginx import Nginx
from tests.strangler.routing.nginx import program as nginx_program

CONNECTIONS = 32
SECONDS = 2
ROUNDS = 5
FLIPS = 200
RELOADS = 10
MANY = 1000
PATH = "/weather/rome"
COOKIE = "Cookie: strangler_cohort=7; arm=monolith"
"""Of a client that has been here before."""
KEPT = 20
"""Connections that an edge keeps to each upstream, as the compiled files do."""
TEN = 100
"""Cohorts of a thousand that the service has."""

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
        return 200 '{_BODY}';
    }}
"""
_PROXY = """
    location / {{
        proxy_pass http://arm;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
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
frontend edge
    bind 127.0.0.1:{port}
    bind unix@{folder}/socket
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


def _pinned(command: list[str], *, measured: bool) -> list[str]:
    """The command on the processor of what is measured, or on the others."""
    first, *others = sorted(os.sched_getaffinity(0))
    there = [first] if measured or not others else others
    return ["taskset", "--cpu-list", ",".join(map(str, there)), *command]


class Pinned(Nginx):
    """An NGINX on its own processor, or off it."""

    def __init__(self, *, http: str = "", server: str, measured: bool) -> None:
        super().__init__(http=http, server=server)
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
        return _pinned(command, measured=self._measured)


class Edge(Pinned):
    """The compiled files, as one worker."""

    def __init__(self, manifest: Manifest, table: Path, *, logs: bool) -> None:
        super().__init__(server="", measured=True)
        self._manifest = manifest
        self._table = table
        self._logs = logs

    def command(self) -> list[str]:
        """How the server is started."""
        listen = f"127.0.0.1:{self.port}"
        version = subprocess.run(
            [nginx_program(), "-v"], capture_output=True, text=True, check=True
        )
        found = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", version.stderr)
        settings = Settings(
            table=str(self._table),
            listen=listen,
            version=tuple(map(int, found.groups())) if found else Settings().version,
            user="root" if os.geteuid() == 0 else None,
        )
        for name, text in compiled(self._manifest, settings).items():
            (self.folder / name).write_text(self._ours(name, text, listen), encoding="utf-8")
        (self.folder / "secret.map").write_text('edge "0123456789abcdef";\n')
        path = str(self.folder / "nginx.conf")
        command = [nginx_program(), "-p", str(self.folder), "-c", path, "-e", "error.log"]
        return _pinned(command, measured=True)

    def _ours(self, name: str, text: str, listen: str) -> str:
        if name == "log.conf" and not self._logs:
            return "access_log off;\n"
        if name != "nginx.conf":
            return text
        here = f"listen {listen};\n        listen unix:{self.folder}/socket;"
        whole = text.replace(f"listen {listen};", here)
        return "daemon off;\n" + whole.replace("worker_processes auto;", "worker_processes 1;")


class Plain(Pinned):
    """A plain NGINX, whose flip is another configuration and a reload."""

    def __init__(self, monolith: Pinned, service: Pinned) -> None:
        self._arms = monolith, service
        super().__init__(http=self._upstream(0), server=_PROXY.format(), measured=True)

    def _upstream(self, arm: int) -> str:
        return f"upstream arm {{ server 127.0.0.1:{self._arms[arm].port}; keepalive {KEPT}; }}"

    def reload(self, arm: int) -> None:
        """Let it ask the other arm."""
        path = self.folder / "nginx.conf"
        path.write_text(path.read_text().replace(self._upstream(1 - arm), self._upstream(arm)))
        os.kill(int((self.folder / "nginx.pid").read_text()), signal.SIGHUP)


class Other(Server):
    """A proxy that is no NGINX, which gives the service ten per cent of new clients."""

    def __init__(self, name: str, monolith: Pinned, service: Pinned) -> None:
        super().__init__()
        self._name = name
        self._arms = monolith, service

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
        return _pinned(command, measured=True)

    def answers(self) -> bool:
        """Whether it does."""
        return _asked(self.port) != b""


def bench(folder: Path) -> Iterator[Row]:
    """A plain NGINX, then others, then flips."""
    with (
        running(Pinned(server=_ANSWERS % "monolith", measured=False)) as monolith,
        running(Pinned(server=_ANSWERS % "service", measured=False)) as service,
    ):
        yield from _beside_plain(folder, monolith, service)
        yield from _beside_others(folder, monolith, service)
        yield from _flips(folder, monolith, service)


def _beside_plain(folder: Path, monolith: Pinned, service: Pinned) -> Iterator[Row]:
    few = _manifest(monolith, service, 1)
    cases: list[tuple[str, Manifest, int, bool, Goal | None]] = [
        ("the monolith answers", few, 0, False, at_least(0.90)),
        ("the monolith answers, with the log", few, 0, True, at_least(0.82)),
        ("the service answers", few, COHORTS, False, None),
        ("of 1,000 capabilities", _manifest(monolith, service, MANY), 0, False, at_least(0.80)),
    ]
    with running(Plain(monolith, service)) as plain:
        for name, manifest, cohorts, logs, goal in cases:
            table = _table(folder, manifest, 1, cohorts)
            with running(Edge(manifest, table, logs=logs)) as edge:
                pairs = _in_turn(edge.port, plain.port)
            yield row(
                f"edge: {name}", pairs, peer_name="a plain proxy_pass", unit="requests/s", goal=goal
            )


def _beside_others(folder: Path, monolith: Pinned, service: Pinned) -> Iterator[Row]:
    manifest = _manifest(monolith, service, 1)
    table = _table(folder, manifest, 2, TEN)
    with running(Edge(manifest, table, logs=False)) as edge:
        for name in ("haproxy", "caddy"):
            with running(Other(name, monolith, service)) as other:
                pairs = _in_turn(edge.port, other.port)
            yield row(
                f"edge: 10 % to the service, beside {name}",
                pairs,
                peer_name=f"{name}, sticky by cookie",
                unit="requests/s",
                goal=at_least(1),
            )


def _flips(folder: Path, monolith: Pinned, service: Pinned) -> Iterator[Row]:
    manifest = _manifest(monolith, service, 1)
    table = _table(folder, manifest, 3, 0)
    with (
        # Whoever flips must not wait for the interpreter that asks.
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as operator,
        running(Edge(manifest, table, logs=False)) as edge,
    ):
        with _loaded(edge.port) as load:
            flips = [
                _until_new(edge.port, number % 2, operator.submit(flip, table, number + 3))
                for number in range(1, FLIPS + 1)
            ]
            failed = load()
        plain = Plain(monolith, service)
        with running(plain), _loaded(plain.port) as load:
            reloads = [
                _until_new(plain.port, number % 2, operator.submit(time.monotonic), plain.reload)
                for number in range(1, RELOADS + 1)
            ]
            lost = load()
    hundredths, peer = statistics.quantiles(flips, n=100), statistics.median(reloads)
    for name, ours, most in (("median", hundredths[49], 2.0), ("p99", hundredths[98], 10.0)):
        yield Row(
            name=f"edge: a flip's first new answer, {name}", ours=ours, peer=peer,
            peer_name="the same by a reload", unit="ms", ratio=ours / peer,
            spread=(min(flips) / peer, max(flips) / peer), goal=limit(most, "ms"),
            note=f"{FLIPS} flips under full load",
        )  # fmt: skip
    yield Row(
        name="edge: failed requests of full load", ours=failed, peer=lost,
        peer_name=f"{RELOADS} reloads", unit=f"in {FLIPS} flips", ratio=failed / max(lost, 1),
        spread=(0, 0), goal=limit(0, "failed"),
    )  # fmt: skip


def flip(table: Path, revision: int) -> float:
    """Publish a revision in which all goes to the other arm; the moment of the rename."""
    renamed: list[float] = []

    def notice(event: str, arguments: tuple[object, ...]) -> None:
        if event == "os.rename" and str(arguments[1]).endswith("/current"):
            renamed.append(time.monotonic())

    prepared = prepare(table, revision, {"weather": _entry(COHORTS * ((revision - 3) % 2))})
    sys.addaudithook(notice)
    point(prepared)
    return renamed[0]


def _until_new(
    port: int, wanted: int, moment: Future[float], act: Callable[[int], object] | None = None
) -> float:
    """Milliseconds from that moment to the first answer of the wanted arm."""
    time.sleep(0.02)
    arm = b"service" if wanted else b"monolith"
    if act is not None:
        moment.result()
        at = time.monotonic()
        act(wanted)
    until = time.monotonic() + 30
    while arm not in (answer := _asked(port)):
        if time.monotonic() > until:
            raise TimeoutError(f"no answer of {arm!r}: {answer[:200]!r}")
    first = time.monotonic()
    return (first - (moment.result() if act is None else at)) * 1e3


def _asked(port: int) -> bytes:
    """The arm that has answered on a connection of its own; nothing if none has."""
    lines = [f"GET {PATH} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", COOKIE, "", ""]
    try:
        answer = ask(port, "\r\n".join(lines).encode())
    except OSError:
        return b""
    found = re.search(rb"^x-arm: (\w+)", answer, re.MULTILINE | re.IGNORECASE)
    return found[1] if found else b""


def _manifest(monolith: Pinned, service: Pinned, count: int) -> Manifest:
    names = ["weather", *(f"other{number}" for number in range(1, count))]
    pieces = [_CAPABILITY.format(name=name, service=service.url) for name in names]
    text = _MANIFEST.format(monolith=monolith.url) + "".join(pieces)
    return parse(text, path=Path("capabilities.toml"), environ={})


def _table(folder: Path, manifest: Manifest, revision: int, cohorts: int) -> Path:
    publish(folder / "table", revision, dict.fromkeys(manifest.capabilities, _entry(cohorts)))
    return folder / "table"


def _entry(cohorts: int) -> Entry:
    share = Share(cohorts, cohorts)
    return Entry(Stage.CANARY, 1, held=False, killed=False, share=share, fallback=True)


def _in_turn(ours: int, peer: int) -> list[Pair]:
    turns = in_turn(lambda: _wrk(ours), lambda: _wrk(peer), rounds=ROUNDS)
    return [Pair(*one) for one in turns]


def _command(port: int, seconds: int, connections: int) -> list[str]:
    wrk = shutil.which("wrk")
    if wrk is None:
        raise ServerMissingError("wrk is not installed: get Debian's `wrk`")
    url = f"http://127.0.0.1:{port}{PATH}"
    return _pinned(
        [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "-H", COOKIE, url], measured=False
    )


def _wrk(port: int, *, seconds: int = SECONDS, connections: int = CONNECTIONS) -> float:
    said = subprocess.run(
        _command(port, seconds, connections), capture_output=True, text=True, check=True
    ).stdout
    if failed := _failed(said):
        raise RuntimeError(f"{failed} requests failed:\n{said}")
    return float(re.search(r"Requests/sec:\s*([\d.]+)", said)[1])  # type: ignore[index]


def _failed(said: str) -> int:
    errors = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said
    )
    odd = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return sum(map(int, errors.groups() if errors else ())) + int(odd[1] if odd else 0)


@contextlib.contextmanager
def _loaded(port: int) -> Iterator[Callable[[], int]]:
    """Under full load; what is given tells, once, how many requests have failed."""
    process = subprocess.Popen(
        _command(port, 120, CONNECTIONS), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(0.5)

    def ended() -> int:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=10)
        return _failed(said)

    try:
        yield ended
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
