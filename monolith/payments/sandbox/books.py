"""The sandbox's books, in SQLite: they outlive whoever keeps them.

A change, the money that it moves and the webhook that tells of it are written in one transaction.
"""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from monolith.payments.sandbox.core import Record, moved

_SCHEMA = """
CREATE TABLE IF NOT EXISTS payments (
    key TEXT PRIMARY KEY, id TEXT NOT NULL, state TEXT NOT NULL, version INTEGER NOT NULL,
    amount TEXT, currency TEXT, method TEXT, reason TEXT, customer TEXT
);
CREATE TABLE IF NOT EXISTS ledger (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL, kind TEXT NOT NULL, amount TEXT NOT NULL,
    at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, payload TEXT NOT NULL, due REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS events_due ON events (due);
"""
_READ = "SELECT key, id, state, version, amount, currency, method, reason, customer FROM payments"


@dataclass(frozen=True, slots=True)
class Event:
    """A webhook that is to be sent."""

    number: int
    payload: bytes
    attempts: int


class Books:
    """What has become of each payment. Threads and processes may share a file.

    Args:
        path: of the file; it is made.
        telling: whether there is somebody to send webhooks to.
    """

    def __init__(self, path: Path, *, telling: bool) -> None:
        self._path = path
        self._telling = telling
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as books:
            books.execute("PRAGMA journal_mode=WAL")
            books.executescript(_SCHEMA)
            _grow(books)

    def change(self, key: str, what: Callable[[Record | None], Record]) -> Record:
        """Do this to a payment, and write down what comes of it."""
        with self._open() as books, _transaction(books):
            before = _one(books, key)
            after = what(before)
            if after != before:
                self._write(books, before, after)
        return after

    def look_up(self, key: str) -> Record | None:
        """How it stands."""
        with self._open() as books:
            return _one(books, key)

    def shown(self) -> dict[str, dict[str, Any]]:
        """For each key how it stands, and what was charged and refunded, all entries added up."""
        with self._open() as books, _transaction(books):
            records = [Record(*row) for row in books.execute(f"{_READ} ORDER BY key")]
            entries = books.execute("SELECT key, kind, amount FROM ledger").fetchall()
        sums: dict[tuple[str, str], Decimal] = {}
        for key, kind, amount in entries:
            sums[key, kind] = sums.get((key, kind), Decimal(0)) + Decimal(amount)
        return {
            record.key: {
                "state": record.state,
                "currency": record.currency,
                "charged": str(sums.get((record.key, "charge"), Decimal(0))),
                "refunded": str(sums.get((record.key, "refund"), Decimal(0))),
            }
            for record in records
        }

    def due(self) -> Event | None:
        """The next webhook to be sent now, and another day if that fails."""
        now = time.time()
        with self._open() as books:
            row = books.execute(
                "SELECT number, payload, attempts FROM events WHERE due <= ? ORDER BY due, number "
                "LIMIT 1",
                (now,),
            ).fetchone()
        return Event(row[0], row[1].encode(), row[2]) if row else None

    def sent(self, event: Event) -> None:
        """It has arrived."""
        with self._open() as books:
            books.execute("DELETE FROM events WHERE number = ?", (event.number,))

    def put_off(self, event: Event, seconds: float) -> None:
        """It is sent later."""
        with self._open() as books:
            books.execute(
                "UPDATE events SET due = ?, attempts = attempts + 1 WHERE number = ?",
                (time.time() + seconds, event.number),
            )

    def _write(self, books: sqlite3.Connection, before: Record | None, after: Record) -> None:
        now = time.time()
        row = astuple(after)
        columns = "key, id, state, version, amount, currency, method, reason, customer"
        books.execute(
            f"INSERT OR REPLACE INTO payments ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 -- of our own
            row,
        )
        if entry := moved(before, after):
            books.execute(
                "INSERT INTO ledger (key, kind, amount, at) VALUES (?, ?, ?, ?)",
                (after.key, entry.kind, entry.amount, now),
            )
        if self._telling:
            event = f"evt_{uuid.uuid4().hex}"
            payload = {"id": event, "type": f"payment.{after.state}", "at": int(now)}
            books.execute(
                "INSERT INTO events (id, payload, due) VALUES (?, ?, ?)",
                (event, json.dumps({**payload, "payment": after.shown()}), now),
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        books = sqlite3.connect(self._path, timeout=20, isolation_level=None)
        try:
            books.execute("PRAGMA synchronous=OFF")  # they outlive a process, not a power cut
            yield books
        finally:
            books.close()


def _grow(books: sqlite3.Connection) -> None:
    """Older books do not say whose a payment is."""
    with _transaction(books):
        columns = [name for _, name, *_ in books.execute("PRAGMA table_info(payments)")]
        if "customer" not in columns:
            books.execute("ALTER TABLE payments ADD COLUMN customer TEXT")


@contextmanager
def _transaction(books: sqlite3.Connection) -> Iterator[None]:
    books.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        books.execute("ROLLBACK")
        raise
    books.execute("COMMIT")


def _one(books: sqlite3.Connection, key: str) -> Record | None:
    row = books.execute(f"{_READ} WHERE key = ?", (key,)).fetchone()
    return Record(*row) if row else None
