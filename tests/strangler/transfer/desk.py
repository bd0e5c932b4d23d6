"""A control database of its own: one row in a SQLite file, safe between processes."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from strangler.ladder import Arm
from strangler.transfer.control import LEASE, Control, NotOurs, Report
from strangler.transfer.protocol import Decision

SCHEMA = """
    CREATE TABLE IF NOT EXISTS desk (
        id INTEGER PRIMARY KEY CHECK (id = 1), owner TEXT, epoch INTEGER, token INTEGER,
        holder TEXT, until REAL, wanted TEXT, backfilled INTEGER, published INTEGER
    )
"""


class Desk(Control):
    """The control plane of one capability, for tests of what stands on it."""

    def __init__(self, path: Path, *, lease: float = LEASE) -> None:
        self._path = path
        self._lease = lease
        self._me = f"{os.getpid()}-{id(self)}"
        self.token = 0
        self.reports: list[Report] = []
        with self._open() as row:
            row.execute(SCHEMA)
            row.execute("INSERT OR IGNORE INTO desk VALUES (1, 'monolith', 1, 0, '', 0, '', 0, 1)")

    def acquire(self) -> bool:
        with self._open() as row:
            taken = row.execute(
                "UPDATE desk SET holder = ?, token = token + 1, until = ?, wanted = ''"
                " WHERE (holder IN ('', ?) OR until < ?) AND wanted IN ('', ?)",
                (self._me, time.time() + self._lease, self._me, time.time(), self._me),
            ).rowcount
            if taken:
                (self.token,) = row.execute("SELECT token FROM desk").fetchone()
        return bool(taken)

    def take(self, patience: float = 20.0) -> None:
        until = time.monotonic() + patience
        while not self.acquire():
            with self._open() as row:
                row.execute("UPDATE desk SET wanted = ? WHERE wanted = ''", (self._me,))
            if time.monotonic() > until:
                raise NotOurs("nobody lets go")
            time.sleep(0.02)

    def renew(self) -> None:
        self._own("until = ?", time.time() + self._lease)

    def release(self) -> None:
        with contextlib.suppress(NotOurs):
            self._own("holder = ''")

    def wanted(self) -> bool:
        return self._read("wanted") not in {"", self._me}

    def decision(self) -> Decision:
        return Decision(Arm(self._read("owner")), int(self._read("epoch")))

    def decide(self, decision: Decision) -> None:
        before = decision.epoch - 1
        self._own("owner = ?, epoch = ?", str(decision.owner), decision.epoch, epoch=before)

    def publish(self) -> None:
        with self._open() as row:
            row.execute("UPDATE desk SET published = epoch")

    def backfilled(self) -> bool:
        return self._read("backfilled") == "1"

    def begin_backfill(self) -> None:
        self._own("backfilled = 0")

    def finish_backfill(self) -> None:
        self._own("backfilled = 1")

    def report(self, report: Report) -> None:
        self.reports.append(report)
        self.renew()

    def published(self) -> int:
        """The epoch that readers of the table see."""
        return int(self._read("published"))

    def _own(self, change: str, *values: object, epoch: int | None = None) -> None:
        condition = " AND epoch = ?" if epoch is not None else ""
        more = () if epoch is None else (epoch,)
        with self._open() as row:
            done = row.execute(
                f"UPDATE desk SET {change} WHERE holder = ? AND token = ?{condition}",  # noqa: S608 - our own words
                (*values, self._me, self.token, *more),
            ).rowcount
        if not done:
            raise NotOurs("another mover has taken over")

    def _read(self, column: str) -> str:
        with self._open("BEGIN") as row:
            found = row.execute(f"SELECT {column} FROM desk").fetchone()  # noqa: S608 - ditto
        return str(found[0])

    @contextlib.contextmanager
    def _open(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=10, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = OFF")  # no power fails here
            connection.execute(begin)
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()
