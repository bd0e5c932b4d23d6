"""How soon every worker of a gunicorn under load sees a flip, and whether a request pays for it.

Of each flip it takes the time from just before the routing table is renamed to the moment in which
any worker begins for the last time on a request that it answers the old way. (When each has first
answered the new way tells more about who got a request when; it is told beside.) The peer is what
teams do without a kit: they change a setting and reload gunicorn, and wait until it answers.
"""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from strangler.ladder import Stage, Standing, share
from strangler.ports.trust import keys
from strangler.routing.publish import point, prepare
from strangler.routing.table import Entry
from tests.bench.harness import Row, limit, run, serving
from tests.bench.load import ask, request
from tests.bench.weather import MANIFEST
from tests.servers import free_port

WORKERS = 4
CLIENTS = 4
REQUESTS = 10_000
PAUSE = 0.15
"""Seconds between two flips, at least."""
WATCHED = 0.05
"""Seconds after a flip whose requests are looked at: a later one may wait until the next flip."""
ENOUGH = 10
"""Flips that must count at least."""
RELOADS = 2
PATIENCE = 60.0
MILLISECONDS = 5.0
FLIPPED = (Stage.MONOLITH, Stage.LIVE)


class Answer(NamedTuple):
    """What a client got: on which arm it was placed, by whom, and when that worker began on it."""

    arm: str
    worker: int
    began: float


class Flip(NamedTuple):
    """The moment of the rename; from then on everything is to be answered by this arm."""

    at: float
    arm: str


class Clients:
    """Threads that ask without a pause, and keep what they were told."""

    def __init__(self, port: int) -> None:
        self.answers: list[Answer] = []
        self.failures: list[str] = []
        self._data = request("/weather/rome", b"")
        self._port = port
        self._done = threading.Event()

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """For as long as the block lasts."""
        threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._done.set()
            for thread in threads:
                thread.join()

    def wait(self, count: int) -> None:
        """Until there are that many answers.

        Raises:
            TimeoutError: that takes too long.
        """
        until = time.monotonic() + PATIENCE
        while len(self.answers) + len(self.failures) < count:
            if time.monotonic() > until:
                raise TimeoutError(f"{len(self.answers)} answers in {PATIENCE:g} s")
            time.sleep(0.01)

    def _ask(self) -> None:
        while not self._done.is_set():
            try:
                answer = ask(self._port, self._data)
            except OSError as error:
                self.failures.append(str(error))
            else:
                self._note(answer.partition(b"\r\n\r\n")[0].decode("latin-1"))

    def _note(self, head: str) -> None:
        status, *lines = head.split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        if not status.startswith("HTTP/1.1 200 "):
            self.failures.append(status or "no answer")
            return
        began = float(headers["X-Began"])
        fallback = headers["X-Strangler-Reason"] == "fallback"
        arm = "service" if fallback else headers["X-Strangler-Arm"]
        self.answers.append(Answer(arm, int(headers["X-Worker"]), began))


def bench(folder: Path) -> Iterator[Row]:
    """Flip a capability to and fro; reload gunicorn."""
    with (
        _gunicorn(folder) as (port, pid),
        # Whoever flips must not wait for the interpreter that the clients keep busy.
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as operator,
    ):
        clients = Clients(port)
        flips = []
        with clients.asking():
            clients.wait(200)
            for number in range(2, 1000):
                flips.append(operator.submit(flip, folder, number).result())
                time.sleep(PAUSE)
                if len(clients.answers) + len(clients.failures) >= REQUESTS:
                    break
            clients.wait(REQUESTS)
        late = lateness(clients.answers, flips)
        delays = [delay for one in flips for delay in _new(clients.answers, one)]
        new = statistics.quantiles(delays, n=100)
        reloads, lost = _reloads(port, pid)
        ours, peer = max(late), statistics.median(reloads)
        failed = len(clients.failures)
        yield Row(
            name="flip: last old answer of any worker", ours=ours, peer=peer,
            peer_name="a reload of gunicorn", unit="ms", ratio=ours / peer,
            spread=(min(late) / peer, ours / peer), goal=limit(MILLISECONDS, "ms"),
            note=f"the slowest of {len(late)} of {len(flips)} flips, "
            f"the median {statistics.median(late):.2f}; {WORKERS} workers' first new "
            f"answers: p50 {new[49]:.1f}, p99 {new[98]:.1f}",
        )  # fmt: skip
        yield Row(
            name="flip: failed requests", ours=failed, peer=lost,
            peer_name="a reload of gunicorn", unit=f"of {failed + len(clients.answers):,}",
            ratio=failed / max(lost, 1), spread=(0, 0), goal=limit(0, "failed"),
            note="; ".join(sorted(set(clients.failures))[:3]),
        )  # fmt: skip


def flip(folder: Path, revision: int) -> Flip:
    """Publish a revision in which every query goes to the other arm."""
    stage = FLIPPED[revision % 2]
    renamed: list[float] = []

    def notice(event: str, arguments: tuple[object, ...]) -> None:
        if event == "os.rename" and str(arguments[1]).endswith("/current"):
            renamed.append(time.monotonic())

    prepared = prepare(folder / "table", revision, {"weather": _entry(stage)})
    sys.addaudithook(notice)
    point(prepared)
    return Flip(renamed[0], "service" if stage is Stage.LIVE else "monolith")


def _entry(stage: Stage) -> Entry:
    part = share(Standing(stage), tables=False)
    return Entry(stage, percent=0, held=False, killed=False, share=part, fallback=True)


def lateness(answers: Sequence[Answer], flips: Sequence[Flip]) -> list[float]:
    """Of each flip, milliseconds until a worker last began on a request for the old arm.

    0 if none did; but a flip counts only if every worker began on a request soon after it, since
    of one that was not asked nobody knows what it would have answered.

    Raises:
        RuntimeError: too few flips count.
    """
    asked = [(one, during) for one in flips if _all(during := _during(answers, one))]
    if len(asked) < ENOUGH:
        raise RuntimeError(
            f"of {len(flips)} flips, {len(asked)} were followed within {WATCHED * 1e3:g} ms by a "
            f"request to each of {WORKERS} workers; at least {ENOUGH} must be: is the machine busy?"
        )
    return [
        max((one.began - flip.at for one in during if one.arm != flip.arm), default=0.0) * 1e3
        for flip, during in asked
    ]


def _all(answers: Sequence[Answer]) -> bool:
    return len({one.worker for one in answers}) == WORKERS


def _new(answers: Sequence[Answer], flip: Flip) -> list[float]:
    """Of each worker, milliseconds until it began on its first request for the new arm."""
    first: dict[int, float] = {}
    for one in _during(answers, flip):
        if one.arm == flip.arm:
            first[one.worker] = min(one.began, first.get(one.worker, one.began))
    return [(began - flip.at) * 1e3 for began in first.values()]


def _during(answers: Sequence[Answer], flip: Flip) -> list[Answer]:
    return [one for one in answers if flip.at <= one.began < flip.at + WATCHED]


def _reloads(port: int, pid: int) -> tuple[list[float], int]:
    """Of each reload, milliseconds until a new worker first began; and requests that failed."""
    clients, times = Clients(port), []
    with clients.asking():
        clients.wait(100)
        for _ in range(RELOADS):
            old = {one.worker for one in clients.answers}
            at = time.monotonic()
            os.kill(pid, signal.SIGHUP)
            new: list[float] = []
            while not new:
                clients.wait(len(clients.answers) + len(clients.failures) + 50)
                new = [one.began for one in clients.answers if one.worker not in old]
            times.append((min(new) - at) * 1e3)
    return times, len(clients.failures)


@contextlib.contextmanager
def _gunicorn(folder: Path) -> Iterator[tuple[int, int]]:
    """The monolith, with a service beside it; yields port and pid."""
    for party in ("monolith", "weather"):
        keys.generate(folder / "keys", party)
    service, port = free_port(), free_port()
    manifest = folder / "capabilities.toml"
    manifest.write_text(MANIFEST.format(port=service))
    point(prepare(folder / "table", 1, {"weather": _entry(Stage.LIVE)}))
    sky = {"DJANGO_SETTINGS_MODULE": "tests.assets.sky.settings", "SKY_ROOT": str(folder)}
    run("-m", "django", "migrate", "-v0", env=sky)
    env = {"STRANGLER_MANIFEST": str(manifest), "STRANGLER_KEYS": str(folder / "keys")}
    url, home = f"http://127.0.0.1:{service}", f"http://127.0.0.1:{port}"
    command = [
        "-m", "gunicorn", "tests.bench.weather:application", "--bind", f"127.0.0.1:{port}",
        "--workers", str(WORKERS), "--no-control-socket",
    ]  # fmt: skip
    with (
        serving(
            ["-m", "tests.bench.weather", str(service)],
            ready=f"{url}/readyz",
            log=folder / "service.log",
            env=env,
        ),
        serving(command, ready=f"{home}/about", log=folder / "sky.log", env=sky) as pid,
    ):
        yield port, pid
