"""For how long a switch holds writers up, and what those notice who have nothing to do with it."""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import psycopg

from strangler.ladder import Arm
from strangler.transfer.apply import Flow
from strangler.transfer.backfill import Backfill
from strangler.transfer.bulk import Bulk
from strangler.transfer.pairing import pair
from strangler.transfer.settle import settle
from strangler.transfer.switch import Switch
from tests.bench.harness import ROOT, Pair, Row, at_most, limit, row
from tests.bench.transfer_shop import MAPS, Sane, Shop, shop
from tests.bench.transfer_writer import ITEMS
from tests.strangler.transfer.desk import Desk

WRITERS = 4
RATE = 500.0
"""Writes per second, of all writers together."""
SWITCHES = 20
PAUSE = 1.0
"""Seconds between two switches, in which rows flow."""
USUAL, WORST, SLOWEST, OTHERS = 150.0, 500.0, 1000.0, 1.2


class Asked(NamedTuple):
    """One query of somebody else's: when, and what it took."""

    at: float
    took: float


class Neighbour:
    """Asks for another table's rows all the time, on a connection of its own."""

    def __init__(self, url: str) -> None:
        self.asked: list[Asked] = []
        self._url = url
        self._stop = threading.Event()

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """For as long as the block lasts."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("CREATE TABLE neighbour AS SELECT generate_series(1, 1000) AS id")
            connection.execute("ALTER TABLE neighbour ADD PRIMARY KEY (id)")
        thread = threading.Thread(target=self._ask)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _ask(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._stop.is_set():
                at = time.monotonic()
                connection.execute("SELECT id FROM neighbour WHERE id = 17").fetchone()
                self.asked.append(Asked(at, time.monotonic() - at))
                time.sleep(0.002)


def beside(asked: Sequence[Asked], freezes: Sequence[tuple[float, float]]) -> list[Pair]:
    """Of each freeze, what a query took in it, and just as long before it, in milliseconds.

    Raises:
        RuntimeError: nobody asked meanwhile.
    """
    pairs = []
    for began, ended in freezes:
        during = [one.took for one in asked if began <= one.at < ended]
        before = [one.took for one in asked if began - (ended - began) <= one.at < began]
        if during and before:
            pairs.append(Pair(statistics.fmean(during) * 1e3, statistics.fmean(before) * 1e3))
    if not pairs:
        raise RuntimeError("nobody asked during a freeze")
    return pairs


def bench(server: Sane, folder: Path) -> Iterator[Row]:
    """Freezes, acknowledged writes, neighbours."""
    with shop(server, items=ITEMS) as one:
        neighbour, desk = Neighbour(one.monolith), Desk(folder / "freezing")
        desk.take()
        _filled(one, desk)
        with neighbour.asking(), _writers(one) as took:
            freezes = _switches(one, desk)
    times = sorted((ended - began) * 1e3 for began, ended in freezes)
    middle, worst, slowest = statistics.median(times), times[-1], max(took) * 1e3
    usual = statistics.median(took) * 1e3
    said = f"{len(took):,} writes, {SWITCHES} switches"
    yield row(
        "a freeze, median", [Pair(middle, usual)], peer_name="a usual write",
        unit="ms", goal=limit(USUAL, "ms"), note=said,
    )  # fmt: skip
    yield row(
        "a freeze, worst", [Pair(worst, usual)], peer_name="a usual write",
        unit="ms", goal=limit(WORST, "ms"), note=said,
    )  # fmt: skip
    yield row(
        "the slowest acknowledged write", [Pair(slowest, usual)], peer_name="a usual write",
        unit="ms", goal=limit(SLOWEST, "ms"), note=said,
    )  # fmt: skip
    yield row(
        "another table's query during a freeze", beside(neighbour.asked, freezes),
        peer_name="the same before it", unit="ms", goal=at_most(OTHERS),
    )  # fmt: skip


@contextlib.contextmanager
def _writers(one: Shop) -> Iterator[list[float]]:
    """Several processes that write, for the block; afterwards, what each write took in seconds."""
    took: list[float] = []
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.bench.transfer_writer", one.monolith, one.service,
             str(RATE / WRITERS), str(number)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number in range(WRITERS)
    ]  # fmt: skip
    try:
        for process in running:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise RuntimeError("a writer did not start")
        yield took
        for process in running:
            took += json.loads(process.communicate(timeout=30)[0])
    finally:
        for process in running:
            process.kill()
            process.wait()


def _filled(one: Shop, desk: Desk) -> None:
    """Let the service have every row, before anybody writes."""
    with (
        closing(one.side(Arm.MONOLITH).session()) as monolith,
        closing(one.side(Arm.SERVICE).session()) as service,
    ):
        for session in (monolith, service):
            session.seize(desk.token)
        pairing = pair(MAPS, monolith, service)
        flow = Flow(pairing, monolith, service, Arm.MONOLITH, desk.token, 1)
        bulk, backfill = Bulk(flow), Backfill(flow)
        while backfill.more() or monolith.pending():
            bulk.batch()


def _switches(one: Shop, desk: Desk) -> list[tuple[float, float]]:
    """Forth and back; when each freeze began and ended."""
    freezes = []
    with (
        closing(one.side(Arm.MONOLITH).session()) as monolith,
        closing(one.side(Arm.SERVICE).session()) as service,
    ):
        sides = {Arm.MONOLITH: monolith, Arm.SERVICE: service}
        pairing = pair(MAPS, monolith, service)
        for _ in range(SWITCHES):
            now = desk.decision()
            other = Arm.SERVICE if now.owner is Arm.MONOLITH else Arm.MONOLITH
            source, target = sides[now.owner], sides[other]
            flow = Flow(pairing, source, target, now.owner, desk.token, now.epoch)
            until = time.monotonic() + PAUSE
            while time.monotonic() < until or source.pending() > ITEMS // 10:
                if not flow.batch().entries:
                    time.sleep(0.02)
            desk.renew()
            switch = Switch(flow, desk)
            settle(flow, desk)
            began = time.monotonic()
            freezes.append((began, began + switch.perform().freeze))
    return freezes
