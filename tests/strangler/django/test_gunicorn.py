"""The middleware in a real gunicorn, spoken to on a raw socket, with real worker processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from strangler.django.control_plane import state
from strangler.ladder import Stage, Standing
from strangler.ports.trust import keys
from strangler.routing.publish import publish
from tests.servers import free_port
from tests.strangler.django.behind_edge import MANIFEST, Reply
from tests.strangler.django.faults import Faults, faults, reply
from tests.strangler.django.forking import forked

ROOT = Path(__file__).parents[3]
ROME = {"place": "rome", "degrees": 21, "wind": {"from": "NW", "knots": 7}}


MIGRATE = """
from django.core.management import execute_from_command_line
execute_from_command_line(["django", "migrate", "-v0"])
"""


@dataclass
class Gunicorn:
    """The project under gunicorn, with two synchronous workers."""

    root: Path
    service: Faults
    port: int
    process: subprocess.Popen[bytes]
    revision: int = 0

    def stand(self, stage: Stage) -> None:
        self.revision += 1
        entries = {
            name: state.entry(
                Standing(stage if name == "weather" else Stage.MONOLITH), with_tables=False
            )
            for name in ("weather", "tides")
        }
        publish(self.root / "table", self.revision, entries)
        self.service.seen.clear()

    def ask(self, target: str, *headers: str, method: str = "GET", body: bytes = b"") -> Reply:
        """One request, byte by byte as it stands here."""
        lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        with socket.create_connection(("127.0.0.1", self.port), 10) as peer:
            peer.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            return _reply(peer)

    def ask_both(self, target: str) -> tuple[Reply, Reply]:
        """The same of either worker: one of them waits for the end of the first request."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as peer:
            peer.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode())
            other = self.ask(target)
            peer.sendall(b"Connection: close\r\n\r\n")
            return other, _reply(peer)

    def rows(self, query: str) -> list[Any]:
        with contextlib.closing(sqlite3.connect(self.root / "sky.sqlite3", timeout=5)) as database:
            return database.execute(query).fetchall()


def _reply(peer: socket.socket) -> Reply:
    answer = b"".join(iter(lambda: peer.recv(65536), b""))
    head, _, content = answer.partition(b"\r\n\r\n")
    first, *fields = head.decode("latin-1").split("\r\n")
    split = [tuple(field.split(": ", 1)) for field in fields]
    return Reply(int(first.split()[1]), [(one[0], one[1]) for one in split], content)


@contextlib.contextmanager
def gunicorn(root: Path, *options: str) -> Iterator[Gunicorn]:
    for party in ("monolith", "weather"):
        keys.generate(root / "keys", party)
    kept = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG"}}
    environment = {
        **kept,
        "SKY_ROOT": str(root),
        "DJANGO_SETTINGS_MODULE": "tests.assets.sky.settings",
        "PYTHONPATH": str(ROOT),
    }
    with faults() as service:
        text = MANIFEST.format(
            service=service.url,
            sticky='["cookie", "address"]',
            timeout="10s",
            failures=1000,
            sample=1,
        )
        (root / "capabilities.toml").write_text(text)
        done = forked(MIGRATE, cwd=ROOT, env=environment)
        assert done.returncode == 0, done.stderr
        port = free_port()
        process = subprocess.Popen(
            [
                sys.executable, "-m", "gunicorn", "tests.assets.sky.wsgi:application",
                "--bind", f"127.0.0.1:{port}", "--workers", "2", "--log-level", "warning", *options,
            ],
            env=environment,
            cwd=ROOT,
        )  # fmt: skip
        made = Gunicorn(root, service, port, process)
        try:
            made.stand(Stage.MONOLITH)
            _await_port(port, process)
            yield made
        finally:
            process.terminate()
            process.wait(20)


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, "gunicorn has ended"
            assert time.monotonic() < until, "gunicorn does not listen"
            time.sleep(0.02)
        else:
            return


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gunicorn]:
    with gunicorn(tmp_path_factory.mktemp("sky")) as made:
        yield made


CORPUS = [
    "/weather/rome",
    "/weather",
    "/weather/",
    "/weather/%72ome?x=/../y",
    "/%77eather/rome",
    "/weather/z%C3%BCrich",
    "/weather/a;b",
    "/weather/rome#/../../admin",
    "//weather/rome",
    "///weather/rome",
    "/weather//rome",
    "/./weather/rome",
    "/x/../weather/rome",
    "/weather/../x",
    "/weather/..",
    "/weather/%2e%2e/x",
    "/x/%2e%2e/weather/rome",
    "/x/%2E./weather/rome",
    "/weather%2Frome",
    "/x%2f..%2fweather/rome",
    "/%2fweather/rome",
    "/weather/..%2f..%2fx",
    "/weather%5crome",
    "/weather\\rome",
    "\\weather\\rome",
    "/weather/%00",
    "/weather%00/rome",
    "/weather/%ff%fe",
    "/weather/%",
    "/weather/%zz",
    "/weather/%252e%252e/x",
    "/%2577eather/rome",
    "/weatherx",
    "/weather.json",
    "/WEATHER/rome",
    "/ weather/rome",
    "/weather\t/rome",
    "/weather/rome%0d%0aX-Strangler-Arm:%20monolith",
    "http://127.0.0.1/weather/rome",
    "http://127.0.0.1//weather/rome",
    "http://127.0.0.1/x/../weather/rome",
    "http://user@127.0.0.1/weather/rome",
    "/http://127.0.0.1/weather/rome",
    "*",
    "weather/rome",
    "?/weather/rome",
    "/?/weather/rome",
    "/weather/" + "x" * 3000,
    "/x/" + "../" * 500 + "weather/rome",
]


@pytest.mark.parametrize("target", CORPUS)
def test_a_path_has_one_reading_or_none(server: Gunicorn, target: str) -> None:
    """Either it goes to the service as it was sent, or no capability is in it, or it is refused.

    What Django would have seen under ``/weather/`` must never be answered as if it were nothing.
    """
    server.stand(Stage.LIVE)
    answer = server.ask(target)
    if answer.arm == "service":
        (seen,) = server.service.seen
        sent = target.removeprefix("http://127.0.0.1").removeprefix("http://user@127.0.0.1")
        assert seen.target == sent.partition("#")[0]
        assert not {"..", ".", ""} & set(seen.target.partition("?")[0].split("/")[1:-1])
        return
    assert server.service.hits == 0
    assert answer.arm is None
    if answer.status == 200:
        path = answer.json()["path"]
        # Whatever this view was shown, nobody could read it as a path of the capability.
        assert path.strip("/").split("/")[0] != "weather"
        return
    assert answer.status in {400, 404}


def test_the_corpus_reaches_all_three_ends(server: Gunicorn) -> None:
    server.stand(Stage.LIVE)
    ends = {(answer.status, answer.arm) for answer in map(server.ask, CORPUS)}
    assert {(200, "service"), (400, None), (200, None)} <= ends


@pytest.mark.parametrize(
    "header",
    [
        "X-Strangler-Arm: service",
        "X_Strangler_Arm: service",
        "X-Strangler_Arm: service",
        "x-STRANGLER-arm: service",
        "X-Strangler-Deadline: 1e9",
        "X_Strangler_Context: x",
        "X-Strangler-Executed: no",
    ],
)
def test_no_spelling_smuggles_a_header_in(server: Gunicorn, header: str) -> None:
    server.stand(Stage.LIVE)
    answer = server.ask("/about", header)
    if answer.status != 400:
        assert answer.json()["internal"] == []
    carried = server.ask("/weather/rome", header)
    value = header.partition(": ")[2]
    if carried.arm == "service":
        (seen,) = server.service.seen
        ours = {name.lower().replace("_", "-"): value for name, value in seen.headers}
        assert ours.get("x-strangler-arm") is None
        assert value not in ours.values()


def test_a_header_of_ours_that_is_too_large_is_refused(server: Gunicorn) -> None:
    server.stand(Stage.LIVE)
    assert server.ask("/weather/rome", "X-Strangler-Context: " + "a" * 7000).status == 403
    assert server.service.hits == 0


def test_a_request_within_a_body_is_a_body(server: Gunicorn) -> None:
    server.stand(Stage.LIVE)
    inner = b"DELETE /weather/rome HTTP/1.1\r\nHost: x\r\n\r\n"
    for headers in ([], ["Transfer-Encoding: identity"], ["Connection: close, Content-Length"]):
        server.service.seen.clear()
        server.ask("/weather/rome", *headers, method="POST", body=inner)
        assert all(seen.method == "POST" for seen in server.service.seen)
        assert all(seen.body in {inner, b""} for seen in server.service.seen)


def test_a_chunked_body_arrives(server: Gunicorn) -> None:
    server.stand(Stage.LIVE)
    with socket.create_connection(("127.0.0.1", server.port), 10) as peer:
        peer.sendall(
            b"PUT /weather/rome HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )
        assert peer.recv(65536).startswith(b"HTTP/1.1 200")
    assert server.service.seen[0].body == b"abcde"


@pytest.mark.parametrize("size", [b"-2", b"+2", b"0_2", b"x", b""])
def test_a_malformed_chunk_is_the_client_s_mistake(server: Gunicorn, size: bytes) -> None:
    server.stand(Stage.LIVE)
    with socket.create_connection(("127.0.0.1", server.port), 10) as peer:
        peer.sendall(
            b"PUT /weather/rome HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n" + size + b"\r\nde\r\n0\r\n\r\n"
        )
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'"error": "InvalidRequest"' in answer
    assert server.service.hits == 0


def test_a_forwarded_prefix_hides_nothing_from_the_edge(server: Gunicorn) -> None:
    """Gunicorn believes this header from the loopback."""
    server.stand(Stage.LIVE)
    answer = server.ask("/x/weather/rome", "SCRIPT_NAME: /x", method="POST", body=b"{}")
    assert (answer.status, answer.arm) == (200, "service")
    assert [seen.target for seen in server.service.seen] == ["/weather/rome"]


def test_a_flip_is_seen_by_every_worker_and_fails_nobody(server: Gunicorn) -> None:
    workers = {answer.header("X-Worker") for answer in server.ask_both("/weather/rome")}
    assert len(workers) == 2
    for number in range(20):
        server.stand(Stage.LIVE if number % 2 else Stage.MONOLITH)
        expected = "service" if number % 2 else "monolith"
        for _ in range(3):
            answers = server.ask_both("/weather/rome")
            assert {(answer.status, answer.arm) for answer in answers} == {(200, expected)}
            assert {answer.header("X-Worker") for answer in answers} == workers


def test_the_shadow_writes_what_it_finds(server: Gunicorn) -> None:
    server.service.behave = reply(200, ROME | {"degrees": 19})
    server.stand(Stage.SHADOW)
    for _ in range(20):
        assert server.ask("/weather/rome").json()["degrees"] == 21
    until = time.monotonic() + 15
    counted = "select coalesce(sum(count), 0) from strangler_shadowtally where outcome='difference'"
    named = "select path, kind, count, examples from strangler_shadowdifference"
    # One is written after the other.
    while server.rows(counted) != [(20,)] or not server.rows(named):
        assert time.monotonic() < until, server.rows("select * from strangler_shadowtally")
        time.sleep(0.05)
    found = server.rows(named)
    assert [(path, kind) for path, kind, *_ in found] == [("$.degrees", "value")]
    assert json.loads(found[0][3])[0]["service"] == 19


@pytest.mark.journey
def test_a_forked_worker_shares_no_connection_with_another(tmp_path: Path) -> None:
    """Preloaded, and with threads: what the parent made is not used, and nothing hangs."""
    with gunicorn(tmp_path, "--preload", "--worker-class", "gthread", "--threads", "4") as server:
        server.stand(Stage.LIVE)
        for _ in range(12):
            assert server.ask("/weather/rome").arm == "service"
        server.stand(Stage.SHADOW)
        server.service.behave = reply(200, ROME)
        for _ in range(12):
            assert server.ask("/weather/rome").arm == "monolith"
        until = time.monotonic() + 15
        while server.service.hits < 6:
            assert time.monotonic() < until
            time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(20)
        # At the end, what was compared is written, and what was still waiting is counted too.
        outcomes = dict(
            server.rows("select outcome, sum(count) from strangler_shadowtally group by 1")
        )
        assert outcomes.pop("match") == server.service.hits
        assert server.service.hits + outcomes.pop("dropped", 0) == 12
        assert outcomes == {}
