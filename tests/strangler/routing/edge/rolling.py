"""An edge before real processes which come and go, and clients that go on asking meanwhile."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count, cycle
from pathlib import Path
from typing import Self

from strangler.ladder import Share, Stage
from strangler.manifest import Manifest, load
from strangler.ports.trust import keys, secret
from strangler.routing.nginx import Settings
from strangler.routing.publish import publish
from strangler.routing.table import Entry
from tests.servers import free_port
from tests.strangler.fastapi.running import warm_python
from tests.strangler.routing.edge.front import SECRET, Client, Front

ROOT = Path(__file__).parents[4]
MANIFEST = """
[edge]
monolith = "http://127.0.0.1:{home}"
sticky   = ["cookie"]

[capability.weather]
context  = "tests.assets.sky"
owner    = "team-sky"
contract = "tests.assets.sky.port:Weather"
service  = ["http://127.0.0.1:{one}", "http://127.0.0.1:{two}"]
routes   = ["/weather/"]
callers  = ["tides"]

[capability.tides]
context  = "tests.assets.sky.tides"
owner    = "team-sea"
contract = "tests.assets.sky.port:Tides"
service  = ["{tides}"]
routes   = ["/tides/"]
"""
INHERIT = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""
ASKED = [
    ("GET", "/weather/rome"),
    ("POST", "/weather/rome"),
    ("GET", "/tides/high"),
    ("POST", "/tides/high"),
    ("PUT", "/weather/rome"),
    ("GET", "/about"),
    ("PATCH", "/weather/rome"),
]
"""The service's queries and commands, the monolith's, and what is nobody's."""
NUMBERS = count()
"""No two requests have the same."""


def wait_until(reached: Callable[[], bool], *, within: float = 60) -> None:
    until = time.monotonic() + within
    while not reached():
        assert time.monotonic() < until
        time.sleep(0.01)


@dataclass
class Works:
    """Whatever stands behind the edge: two replicas of a service, and the monolith's gunicorn.

    The monolith's socket outlives each gunicorn, as one of systemd's does.
    """

    root: Path
    home: socket.socket
    ports: tuple[int, int]
    env: Mapping[str, str]
    manifest: Manifest
    replicas: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    gunicorn: subprocess.Popen[bytes] | None = None

    @property
    def notes(self) -> list[list[str]]:
        """What the servers have written down."""
        path = self.root / "counted"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def front(self, *retired: str, program: str | None = None) -> Front:
        """An NGINX before all this, yet to be started."""
        settings = Settings(table=str(self.root / "table"), retired=frozenset(retired))
        return Front(self.manifest, settings, program=program)

    def start_replica(self, port: int) -> None:
        command = [warm_python(), "-m", "tests.assets.sky.counted_service", str(port)]
        self.replicas[port] = self._start(command, f"service-{port}")

        def ready() -> bool:
            assert self.replicas[port].poll() is None
            with contextlib.suppress(OSError):
                client = Client(port)
                try:
                    return client.ask("GET", "/readyz").status == 200
                finally:
                    client.close()
            return False

        wait_until(ready)

    def start_gunicorn(self) -> subprocess.Popen[bytes]:
        """One more, on the socket that is there; the others go on."""
        began = sum(words[0] == "began" for words in self.notes)
        gunicorn = [
            sys.executable, "-m", "gunicorn", "tests.assets.sky.counted_wsgi:application",
            "--no-control-socket", "--threads", "4",
        ]  # fmt: skip
        inherit = [sys.executable, "-c", INHERIT, str(self.home.fileno())]
        started = self._start([*inherit, *gunicorn], "gunicorn")

        def answers() -> bool:
            assert started.poll() is None
            return sum(words[0] == "began" for words in self.notes) > began

        wait_until(answers)
        return started

    def _start(self, command: list[str], name: str) -> subprocess.Popen[bytes]:
        with (self.root / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **self.env},
                pass_fds=[self.home.fileno()],
                stdout=log,
                stderr=log,
            )

    def replace_replica(self, port: int) -> int:
        """Ended, and begun again; its exit code."""
        code = ended(self.replicas[port])
        self.start_replica(port)
        return code

    def replace_gunicorn(self) -> int:
        """The successor answers before the old one is told to go; the old one's exit code."""
        assert self.gunicorn is not None
        old, self.gunicorn = self.gunicorn, self.start_gunicorn()
        return ended(old)


def ended(process: subprocess.Popen[bytes]) -> int:
    """Told to go by SIGTERM, and gone; its exit code."""
    process.terminate()
    try:
        return process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


@dataclass
class Load:
    """Clients that ask one thing after the other; nobody asks twice.

    Told of another port they go there, each between two requests, as whoever balances them does.
    """

    works: Works
    port: int
    clients: int
    kept: bool = True
    pause: float = 0.01
    """Seconds between an answer and the next request."""
    answered: Counter[tuple[str, str, int, str | None]] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    served: dict[str, str] = field(default_factory=dict)
    at: dict[int, int] = field(default_factory=dict)
    """The port that each client asks."""
    _ending: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._threads = [
            threading.Thread(target=self._ask_on, args=(number,)) for number in range(self.clients)
        ]
        for thread in self._threads:
            thread.start()
        self.goes_on(50)
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def goes_on(self, more: int) -> None:
        """Until so many more have been answered."""
        until = len(self.served) + more
        wait_until(lambda: len(self.served) >= until)

    def _ask_on(self, which: int) -> None:
        client = Client(self.port)
        self.at[which] = self.port
        for method, path in cycle(ASKED[which % len(ASKED) :] + ASKED[: which % len(ASKED)]):
            if self._ending.is_set():
                break
            if (port := self.port) != self.at[which]:
                client.close()
                client, self.at[which] = Client(port), port
            time.sleep(self.pause)
            number = str(next(NUMBERS))
            body = b"" if method == "GET" else b"x" * 200
            headers = {"Cookie": "strangler_cohort=7; strangler_pin=-"}
            if not self.kept:
                headers["Connection"] = "close"
            try:
                answer = client.ask(method, f"{path}?n={number}", headers, body)
            except OSError as error:
                client.close()
                self.failed[number] = f"{method} {path}: {error!r}"
                continue
            if answer.status in {200, 201} and answer.whole:
                self.served[number] = method
            else:
                self.failed[number] = f"{method} {path}: {answer.status} {answer.body[:200]!r}"
            self.answered[method, path, answer.status, answer.reason] += 1
        client.close()

    @property
    def done(self) -> Counter[str]:
        """How often each of its requests has been done."""
        numbers = Counter(words[3] for words in self.works.notes if words[0] == "did")
        return Counter({one: numbers[one] for one in self.served.keys() | self.failed.keys()})


@contextlib.contextmanager
def works(root: Path, *, tides: str = "http://127.0.0.1:9", share: int = 0) -> Iterator[Works]:
    """All of it but NGINX, with the weather at its service and the tides at the monolith's.

    Args:
        root: where all of it is kept.
        tides: the URL of the service of the tides.
        share: how many of the cohorts are sent there.
    """
    for party in ("monolith", "weather", "tides"):
        keys.generate(root / "keys", party)
    (root / "keys" / secret.FILE).write_text(SECRET)
    ports = free_port(), free_port()
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as home:
        number = home.getsockname()[1]
        text = MANIFEST.format(home=number, one=ports[0], two=ports[1], tides=tides)
        path = root / "capabilities.toml"
        path.write_text(text)
        env = {
            "DJANGO_SETTINGS_MODULE": "tests.assets.sky.settings",
            "SKY_ROOT": str(root),
            "SKY_COUNTED": str(root / "counted"),
            "STRANGLER_EDGE": "nginx",
            "STRANGLER_MANIFEST": str(path),
            "STRANGLER_KEYS": str(root / "keys"),
            "STRANGLER_TABLE": "",
        }
        shares = {"weather": Share(1000, 1000), "tides": Share(share, share)}
        publish(root / "table", 1, {name: _entry(one) for name, one in shares.items()})
        manifest = load(path, {})
        # The edge thinks that the weather has tables: then nobody but the service takes commands.
        weather = replace(manifest.capabilities["weather"], transfer="weather:tables")
        manifest = replace(manifest, capabilities={**manifest.capabilities, "weather": weather})
        made = Works(root, home, ports, env, manifest)
        try:
            for port in ports:
                made.start_replica(port)
            made.gunicorn = made.start_gunicorn()
            yield made
        finally:
            for process in (*made.replicas.values(), made.gunicorn):
                if process is not None and process.poll() is None:
                    ended(process)


def _entry(share: Share) -> Entry:
    return Entry(Stage.CANARY, 1, held=False, killed=False, share=share, fallback=True)


@contextlib.contextmanager
def in_background(front: Front) -> Iterator[None]:
    """NGINX as a daemon: only then does it exchange its binary, which is a link here."""
    front.port = free_port()
    _, *arguments = front.command()
    path = front.folder / "nginx.conf"
    path.write_text(path.read_text().removeprefix("daemon off;"))
    install(front, front.program)
    subprocess.run([front.folder / "nginx", *arguments], check=True, timeout=30)
    try:
        wait_until(lambda: bool(workers(master(front))))
        yield
    finally:
        number = master(front)
        os.kill(number, signal.SIGTERM)
        wait_until(lambda: not Path(f"/proc/{number}").exists())
        shutil.rmtree(front.folder)


def install(front: Front, program: str) -> None:
    """This is the binary from now on."""
    fresh = front.folder / "fresh"
    fresh.symlink_to(program)
    fresh.replace(front.folder / "nginx")


def master(front: Front) -> int:
    """The process that NGINX's workers belong to."""
    try:
        return int((front.folder / "nginx.pid").read_text())
    except (FileNotFoundError, ValueError):  # at this moment it changes
        return 0


def workers(number: int) -> set[str]:
    """The workers of a master that take connections."""
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
        return {one for one in children if _title(one).rstrip("\0 ") == "nginx: worker process"}
    return set()


def _title(number: str) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{number}/cmdline").read_text()
    return ""
