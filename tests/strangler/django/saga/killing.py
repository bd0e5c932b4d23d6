"""Kills a process at every step of a saga, has another one go on, and looks at what was done.

Runs in a process of its own, with Django set up, and prints what it has found as JSON. Callees are
somebody else: what they have done is in a database of their own, and outlives whoever asked them.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.db import connections
from django.db.backends.signals import connection_created

from strangler.django.saga.store import Tables
from strangler.ports.errors import ConnectionLost, DeclaredError
from strangler.saga.declare import Here, Saga, compensable, pivot, retriable
from strangler.saga.machine import State
from strangler.saga.running import Running
from strangler.saga.store import Change, Record

ALIAS = "plane"
LEASE = 1000.0
FATES = ("well", "hotel refused", "hotel lost")
STEPS = ("open", "flight", "hotel", "confirm", "tell")
LEDGER = Path(os.environ.get("SHOP_ROOT", ".")) / "callees.sqlite3"


class Points:
    """Everything that a process does is a point, before which it may be killed."""

    def __init__(self, fatal: int | None) -> None:
        self._left = fatal

    def pass_(self) -> None:
        if self._left is None:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


points = Points(None)


@dataclass(frozen=True, slots=True)
class Trip:
    name: str
    fate: str
    booked: tuple[str, ...] = ()


class FullUp(DeclaredError):
    """There is no room left."""


def asked(here: Here, what: str) -> bool:
    """Note that a callee was asked; is it to be done?"""
    with closing(sqlite3.connect(LEDGER, isolation_level=None)) as ledger:
        (undone,) = ledger.execute(
            "SELECT count(*) FROM effects WHERE key = ? AND what = 'undone'", (here.key,)
        ).fetchone()
        if what == "done" and undone:
            raise FullUp
        ledger.execute(
            "INSERT INTO effects (key, what) VALUES (?, ?) "
            "ON CONFLICT (key, what) DO UPDATE SET asked = asked + 1",
            (here.key, what),
        )
        return True


def do(trip: Trip, here: Here) -> Trip:
    points.pass_()
    if trip.fate == f"{here.step} refused":
        raise FullUp
    asked(here, "done")
    points.pass_()
    if trip.fate == f"{here.step} lost":
        raise ConnectionLost(here.step)
    return replace(trip, booked=(*trip.booked, here.step))


def undo(_: Trip, here: Here) -> None:
    points.pass_()
    asked(here, "undone")
    points.pass_()


def write(_: Trip, here: Here) -> None:
    """What a local step does: it knows nothing again, and relies on the transaction alone."""
    points.pass_()
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(
            "INSERT INTO written (saga, step) VALUES (%s, %s)", [str(here.saga), here.step]
        )
    points.pass_()


def unwrite(_: Trip, here: Here) -> None:
    points.pass_()
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(
            "INSERT INTO written (saga, step) VALUES (%s, %s)", [str(here.saga), f"not {here.step}"]
        )
    points.pass_()


SAGA = Saga(
    "trips.book",
    Trip,
    compensable("open", write, unwrite, local=True),
    compensable("flight", do, undo, refusals=[FullUp]),
    compensable("hotel", do, undo, refusals=[FullUp]),
    pivot("confirm", write, local=True),
    retriable("tell", do),
    locks=lambda trip: [f"trip:{trip.name}"],
    deadline=timedelta(seconds=2 * LEASE),
    lease=timedelta(seconds=LEASE),
)


class Deadly(Tables):
    """The store, with points before, within and behind each transaction."""

    def create(self, change: Change, locks: Any) -> None:
        points.pass_()
        super().create(change, locks)
        points.pass_()

    def write(self, before: Record, change: Change) -> None:
        points.pass_()
        super().write(before, change)
        points.pass_()

    def write_with(self, before: Record, work: Callable[[], Change]) -> Record:
        points.pass_()
        written = super().write_with(before, work)
        points.pass_()
        return written

    def claim(self, now: float, *, holder: str, until: float) -> Record | None:
        points.pass_()
        claimed = super().claim(now, holder=holder, until=until)
        points.pass_()
        return claimed

    def _append(self, change: Change) -> None:
        points.pass_()
        super()._append(change)
        points.pass_()


def engine(now: float) -> Running:
    return Running(Deadly(ALIAS), [SAGA], clock=lambda: now)


def forked(work: Callable[[], Any], fatal: int | None) -> bool:
    """Do it in a process that is killed before its nth point; was it?"""
    connections.close_all()
    child = os.fork()
    if not child:
        code = 1
        try:
            globals()["points"] = Points(fatal)
            work()
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


class Run:
    """One saga, from its start to its end."""

    def __init__(self, number: int, fate: str) -> None:
        self.name = f"{fate} {number}"
        self.fate = fate
        self.now = 1_000_000.0

    def start(self) -> None:
        trip = Trip(self.name, self.fate)
        engine(self.now).start(SAGA, trip, key=self.name)

    def sweep(self) -> None:
        self.now += LEASE
        engine(self.now).sweep(10)

    def finish(self) -> dict[str, Any]:
        """Go on with it until it has ended; what was done then."""
        store = Tables(ALIAS)
        record = store.find("trips.book", self.name)
        if record is None:
            self.start()  # it was never started, and whoever asked asks again
        for _ in range(30):
            record = store.find("trips.book", self.name)
            assert record is not None
            if record.state.ended:
                return self.checked(store, record)
            self.sweep()
        raise AssertionError(f"{self.name} does not end: {record}")

    def checked(self, store: Tables, record: Record) -> dict[str, Any]:
        with closing(sqlite3.connect(LEDGER)) as ledger:
            rows = ledger.execute(
                "SELECT key, what, asked FROM effects WHERE key LIKE ? ORDER BY rowid",
                (f"{record.id}:%",),
            ).fetchall()
        with connections[ALIAS].cursor() as cursor:
            cursor.execute(
                "SELECT step FROM written WHERE saga = %s ORDER BY step", [str(record.id)]
            )
            written = [row[0] for row in cursor.fetchall()]
        done = [key.partition(":")[2] for key, what, _ in rows if what == "done"]
        undone = [key.partition(":")[2] for key, what, _ in rows if what == "undone"]
        assert store.locks(record.id) == []
        numbers = [entry.number for entry in store.log(record.id)]
        assert numbers == list(range(record.entries)), numbers
        if record.state is State.COMPLETED:
            assert (done, undone) == (["flight", "hotel", "tell"], []), rows
            assert written == ["confirm", "open"], written
        else:
            assert record.state is State.COMPENSATED, record
            assert set(done) <= set(undone), rows
            assert undone == sorted(undone, key=STEPS.index, reverse=True), rows
            assert written == ["not open", "open"] or not written, written
        return {
            "state": record.state.value,
            "again": sum(times > 1 for _, _, times in rows),
            "entries": record.entries,
        }


def enumerate_kills(fate: str, *, second: int | None) -> dict[str, Any]:
    """Kill at each point, and whoever goes on at a point, too."""
    said: dict[str, Any] = {"points": 0, "again": 0, "states": []}
    for fatal in range(1, 1000):
        run = Run(fatal * 1000 + (second or 0), fate)
        killed = forked(run.start, fatal)
        if second is not None:
            run.now += LEASE
            forked(partial(_sweep, run.now), second)
        found = run.finish()
        said["again"] += found["again"]
        said["states"] = sorted({*said["states"], found["state"]})
        if not killed:
            said["points"] = fatal - 1
            return said
    raise AssertionError("it has no end")


def _sweep(now: float) -> None:
    engine(now).sweep(10)


def _unhurried(*, connection: Any, **_: Any) -> None:
    """A process that is killed takes nothing with it that the disk would have to have."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous=OFF")


def main() -> None:
    """Print what was found, by fate: those that are given, or with none all of them.

    With none, whoever goes on is killed everywhere, too.
    """
    connection_created.connect(_unhurried)
    with closing(sqlite3.connect(LEDGER, isolation_level=None)) as ledger:
        ledger.execute("PRAGMA journal_mode=WAL")
        ledger.execute("PRAGMA synchronous=OFF")
        ledger.execute(
            "CREATE TABLE IF NOT EXISTS effects "
            "(key TEXT, what TEXT, asked INTEGER DEFAULT 1, UNIQUE (key, what))"
        )
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS written (saga VARCHAR(40), step VARCHAR(40))")
    gc.freeze()
    gc.disable()
    runs: list[tuple[str, int | None]] = [(fate, None) for fate in sys.argv[1:] or FATES]
    if not sys.argv[1:]:
        runs += [(fate, second) for fate in FATES for second in range(2, 40, 4)]
    found = {f"{fate}, {second}": enumerate_kills(fate, second=second) for fate, second in runs}
    sys.stdout.write(json.dumps(found))
