"""All of it, real: the control plane in gunicorn, an agent as a process, and its NGINX."""

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

from strangler.ports.trust import keys, secret
from strangler.routing import killing
from strangler.routing.table import Table, TableUnusable
from tests.bench.harness import serving
from tests.servers import free_port, running
from tests.strangler.agent.edge import Edge
from tests.strangler.agent.told import wait
from tests.strangler.django.behind_edge import MANIFEST
from tests.strangler.django.edge.test_nginx import MIGRATE
from tests.strangler.django.forking import ROOT, forked
from tests.strangler.routing.edge.front import Answer, Client

HEARD = "select heard_at from strangler_agent"
COUNTED = "select coalesce(sum(requests), 0) from strangler_observation where arm = 'monolith'"
AGENT = "from strangler.cli import main; main()"
MOVES = ("resume", "hold", "resume")
HERE = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG"}}


@dataclass
class Plant:
    """A control plane, an edge, and whatever runs its agent."""

    root: Path
    control: str
    edge: Edge
    env: dict[str, str]

    @property
    def table(self) -> Table:
        return Table(self.root / "edge-table", verify_every=0.0)

    def revision(self) -> int:
        try:
            return self.table.revision()
        except TableUnusable:
            return 0

    def strangler(self, *arguments: str, code: int = 0) -> Any:
        done = forked(AGENT, *arguments, "--json", cwd=ROOT, env=self.env)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def rows(self, query: str) -> list[Any]:
        with contextlib.closing(sqlite3.connect(self.root / "sky.sqlite3", timeout=5)) as database:
            return database.execute(query).fetchall()

    def agents(self) -> dict[str, int]:
        """Whom the control plane knows, and which revision each has."""
        return dict(self.rows('select id, "table" from strangler_agent'))

    def command(self, *more: str) -> list[str]:
        return [
            sys.executable, "-c", AGENT, "agent", "--control", self.control, "--name", "front",
            "--table", str(self.root / "edge-table"), "--keys", str(self.root / "keys"),
            "--manifest", str(self.root / "capabilities.toml"), *more,
        ]  # fmt: skip

    @contextlib.contextmanager
    def agent(self, *more: str) -> Iterator[subprocess.Popen[str]]:
        """One that runs, and has reported."""
        beside = ["--nginx", str(self.edge.folder), "--listen", f"127.0.0.1:{self.edge.port}"]
        user = ["--user", "root"] if os.geteuid() == 0 else []
        before = self.heard()
        with subprocess.Popen(
            self.command(*beside, *user, *more),
            cwd=ROOT,
            env=self.env,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                wait(lambda: self.heard() > before, 20)
                yield process
            finally:
                if process.poll() is None:
                    process.terminate()
                process.wait(20)

    def heard(self) -> str:
        """When the agent has reported last."""
        return max((str(one) for (one,) in self.rows(HEARD)), default="")

    def ask(self, method: str, target: str) -> Answer:
        client = Client(self.edge.port)
        try:
            return client.ask(method, target)
        finally:
            client.close()


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    root = tmp_path_factory.mktemp("plant")
    for party in ("monolith", "weather", "edge"):
        keys.generate(root / "keys", party)
    secret.make(root / "keys")
    port, there = free_port(), free_port()
    text = MANIFEST.format(
        service=f"http://127.0.0.1:{there}", sticky='["cookie"]', timeout="5s", failures=1000,
        sample=0,
    ).replace("http://127.0.0.1:9", f"http://127.0.0.1:{port}")  # fmt: skip
    (root / "capabilities.toml").write_text(text)
    env = {
        **HERE,
        "DJANGO_SETTINGS_MODULE": "tests.assets.sky.settings",
        "SKY_ROOT": str(root),
        "STRANGLER_EDGE": "nginx",
        "PYTHONPATH": str(ROOT),
    }
    done = forked(MIGRATE, cwd=ROOT, env=env)
    assert done.returncode == 0, done.stderr
    gunicorn = [
        "-m", "gunicorn", "tests.assets.sky.wsgi:application", "--no-control-socket",
        "--worker-class", "gthread", "--threads", "8",
    ]  # fmt: skip
    service = {
        "STRANGLER_MANIFEST": str(root / "capabilities.toml"),
        "STRANGLER_KEYS": str(root / "keys"),
    }
    url = f"http://127.0.0.1:{port}"
    with (
        serving(
            [*gunicorn, "--bind", f"127.0.0.1:{port}"],
            ready=f"{url}/about",
            log=root / "sky.log",
            env=env,
        ),
        serving(
            ["-m", "tests.assets.sky.service", str(there)],
            ready=f"http://127.0.0.1:{there}/readyz",
            log=root / "service.log",
            env=service,
        ),
    ):
        edge = Edge(root, monolith=url, table=str(root / "edge-table"))
        (root / "capabilities.toml").write_text(text)  # the whole of it
        edge.secret.write_text(secret.make(root / "keys"))
        with running(edge):
            yield Plant(root, url, edge, env)


@pytest.mark.journey
def test_from_a_new_host_to_its_end(plant: Plant) -> None:
    """One story: each step begins where the one before has ended."""
    # No table at all: the monolith answers, and nobody is sent here.
    assert plant.ask("GET", "/_strangler/readyz").status == 503
    assert plant.ask("GET", "/weather/rome").arm == "monolith"
    with plant.agent() as process:
        # A move waits for the agent, and says so.
        done = plant.strangler("hold", "weather")
        told = done["agents"]
        assert (told["applied"], told["late"], told["refused"]) == (["edge/front"], [], {})
        assert plant.revision() == done["revision"]
        assert plant.ask("GET", "/_strangler/readyz").status == 200
        seconds = [plant.strangler(one, "weather")["agents"]["seconds"] for one in MOVES]
        said = ", ".join(f"{1000 * one:.0f} ms" for one in seconds)
        print(f"\napplied by 1 of 1 edges after {said}")  # noqa: T201 -- how fast, this time
        # Somebody kills on this host, while the control plane moves on.
        killed = killing.kill(
            plant.root / "edge-table", "weather", together=("weather",), groups={}
        )
        told = plant.strangler("hold", "tides")["agents"]
        assert told["applied"] == []
        assert "somebody killed there" in told["refused"]["edge/front"]
        assert plant.table.entry("weather").killed
        refused = plant.strangler("resume", "tides", code=1)
        assert refused["error"] == "TableAhead"
        assert f"of edge/front is at revision {killed.revision}" in refused["message"]
        assert plant.agents() == {"edge/front": killed.revision}
        done = plant.strangler("kill", "weather")
        assert done["revision"] == killed.revision + 1 == plant.revision()
        assert done["agents"]["applied"] == ["edge/front"]
        # What the edge answers is evidence.
        for _ in range(5):
            assert plant.ask("GET", "/weather/rome").status == 200
        wait(lambda: plant.rows(COUNTED)[0][0] >= 5)
        # It ends at once, although it waits for news, and says so.
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
        assert time.monotonic() - began < 4
        assert process.returncode == 0, err
        assert "the agent edge/front has ended" in err
        assert "Traceback" not in err
    assert plant.agents() == {}, "nobody waits for it"
    assert plant.strangler("resume", "weather")["agents"]["applied"] == []
    assert plant.revision() == killed.revision + 1, "everybody goes on with what is there"


@pytest.mark.journey
def test_one_that_is_killed_is_waited_for_and_then_away(plant: Plant) -> None:
    with plant.agent() as process:
        process.kill()
        process.communicate(timeout=20)
    assert plant.agents(), "it is waited for until its lease ends"
    before = plant.revision()
    # Who comes again goes on.
    with plant.agent("--retired", "weather"):
        done = plant.strangler("hold", "weather")
        assert done["agents"]["applied"] == ["edge/front"]
        assert plant.revision() > before
    assert "include retired.conf;" in (plant.edge.folder / "current" / "routes.conf").read_text()


def test_a_retired_one_goes_to_its_service_without_any_table(plant: Plant) -> None:
    workers = plant.edge.workers()
    beside = ("--nginx", str(plant.edge.folder), "--listen", f"127.0.0.1:{plant.edge.port}")
    user = ("--user", "root") if os.geteuid() == 0 else ()
    done = subprocess.run(
        [
            *plant.command(*beside, *user, "--once", "--retired", "weather"),
            "--table", str(plant.root / "no-table"),
        ],
        cwd=ROOT,
        env=plant.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wait(lambda: plant.edge.workers() and not plant.edge.workers() & workers)
    assert plant.ask("GET", "/_strangler/readyz").status == 503
    answer = plant.ask("GET", "/weather/rome")
    assert (answer.status, answer.arm) == (200, "service")
    assert plant.ask("GET", "/about").status == 200


TRICKS = [
    "/_strangler/agents/follow",
    "/_strangler/agents/count",
    "/_strangler/agents/",
    "/_strangler/agents",
    "/_strangler",
    "/_strangler/agents/follow?x=1",
    "/_strangler/agents/follow#x",
    "/_strangler/agents/follow/",
    "/_strangler//agents/follow",
    "//_strangler/agents/follow",
    "/./_strangler/agents/follow",
    "/x/../_strangler/agents/follow",
    "/%5fstrangler/agents/follow",
    "/_strangler/%61gents/follow",
    "/%2e/_strangler/agents/follow",
    "/x/%2e%2e/_strangler/agents/follow",
    "/_strangler%2fagents%2ffollow",
    "/%2f_strangler/agents/follow",
    "/weather/..%2f_strangler/agents/follow",
    "/weather/../_strangler/agents/follow",
    "/_strangler/readyz/../agents/follow",
    "/_strangler/edge/token",
    "/_strangler/edge/wait",
    "/_STRANGLER/agents/follow",
    "/_strangler;x/agents/follow",
    "/_strangler\\agents\\follow",
    "/_strangler/agents/follow%00",
    "http://127.0.0.1/_strangler/agents/follow",
    "http://127.0.0.1/x/../_strangler/agents/follow",
    "/_strangler/agents/follow%20",
    "/%255fstrangler/agents/follow",
]


@pytest.mark.parametrize("target", TRICKS)
def test_nobody_outside_reaches_the_control_plane(plant: Plant, target: str) -> None:
    """What an endpoint of it would say never comes through the edge, whoever asks."""
    before = plant.agents()
    for headers in ({}, {"X-Original-URL": "/_strangler/agents/follow", "X-Rewrite-URL": "/"}):
        with socket.create_connection(("127.0.0.1", plant.edge.port), 10) as peer:
            lines = [f"POST {target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            lines += ["X-Strangler-Context: e30.e30.e30", "Content-Length: 2", "", "{}"]
            peer.sendall("\r\n".join(lines).encode())
            answer = b"".join(iter(lambda: peer.recv(65536), b"")).decode()
        head, _, body = answer.partition("\r\n\r\n")
        status = int(head.split()[1])
        assert "TokenRefused" not in body, answer
        assert "BadMessage" not in body
        assert status in {400, 404} or '"path": "/_strangler/' not in body, answer
    assert plant.agents() == before


def test_the_control_plane_is_there_for_those_inside(plant: Plant) -> None:
    port = int(plant.control.rpartition(":")[2])
    client = Client(port)
    answer = client.ask("POST", "/_strangler/agents/follow", {}, b"{}")
    client.close()
    assert (answer.status, answer.json()["error"]) == (403, "TokenRefused")
