"""Taking events: a batch is one transaction with its inbox; on PostgreSQL, durably.

Beside a consumer as it is often written: each event a transaction, with its row in the inbox.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from strangler.events.consumer import CHUNK
from strangler.events.envelope import decode_batch, encode_batch, opened
from tests.bench.harness import Goal, Pair, Row, at_least, in_turn, limit, row
from tests.bench.transfer_shop import Sane
from tests.strangler.events.listening import Listener, star
from tests.strangler.events.sample import StarSeen

EVENTS = 20_000
ONE_BY_ONE = 1_000
KEYS = 500
ROUNDS = 5
ENOUGH = Goal("≥ 15,000 events/s", "ours", least=15_000)


class Counting(Listener):
    """A handler that does nothing but count; the events come as a bus brings them, in JSON."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.counted = 0
        self.poisoned = ""
        self._said = 0

    def _remember(self, event: StarSeen) -> None:
        if event.name == self.poisoned:
            raise ValueError("not there")
        self.counted += 1

    def bodies(self, count: int, each: int) -> list[bytes]:
        """Batches of events that have never been told."""
        first, self._said = self._said, self._said + count
        events = [
            star(f"star {n % KEYS}", n // KEYS + 1, light="x" * 100)
            for n in range(first, first + count)
        ]
        return [encode_batch(events[start : start + each]) for start in range(0, count, each)]

    def taken(self, *, poisoned: bool = False) -> tuple[float, float]:
        """Events in a second, and microseconds of our processor for one."""
        bodies = self.bodies(EVENTS, CHUNK)
        self.poisoned = f"star {KEYS // 2}" if poisoned else ""
        cpu, began = time.process_time(), time.perf_counter()
        for body in bodies:
            self.consumer.take(decode_batch(body))
        took, busy = time.perf_counter() - began, time.process_time() - cpu
        self.poisoned = ""
        self.run("DELETE FROM parked_event")
        return EVENTS / took, busy / EVENTS * 1e6

    def one_by_one(self) -> tuple[float, float]:
        """The same, as it is often written."""
        bodies = self.bodies(ONE_BY_ONE, 1)
        cpu, began = time.process_time(), time.perf_counter()
        with psycopg.connect(self.url) as connection:
            for body in bodies:
                (event,) = decode_batch(body)
                known = connection.execute(
                    "INSERT INTO inbox (event, at) VALUES (%s, now()) ON CONFLICT DO NOTHING "
                    "RETURNING event",
                    [event.id],
                )
                if known.fetchone():
                    self._remember(opened(event))
                connection.commit()
        took, busy = time.perf_counter() - began, time.process_time() - cpu
        return ONE_BY_ONE / took, busy / ONE_BY_ONE * 1e6


def bench(_: Path) -> Iterator[Row]:
    """The pace, what it costs, and what a poisoned key costs the others."""
    logging.getLogger("strangler.events").setLevel(logging.CRITICAL)
    with _counting() as counting:
        measured = in_turn(counting.taken, counting.one_by_one, rounds=ROUNDS)
        assert counting.counted == (ROUNDS + 1) * (EVENTS + ONE_BY_ONE)
        yield row(
            "events taken in a second", _pairs(measured, 0), peer_name="each a transaction",
            unit="events/s", goal=ENOUGH,
        )  # fmt: skip
        yield row(
            "processor time for one event", _pairs(measured, 1), peer_name="each a transaction",
            unit="µs", goal=limit(60, "µs"),
        )  # fmt: skip
        poisoned = in_turn(lambda: counting.taken(poisoned=True), counting.taken, rounds=ROUNDS)
        yield row(
            "events taken in a second, one key of 500 poisoned", _pairs(poisoned, 0),
            peer_name="none", unit="events/s", goal=at_least(0.85),
        )  # fmt: skip


def _pairs(
    measured: Sequence[tuple[tuple[float, float], tuple[float, float]]], which: int
) -> list[Pair]:
    return [Pair(ours[which], peer[which]) for ours, peer in measured]


@contextmanager
def _counting() -> Iterator[Counting]:
    with Sane() as server:
        counting = Counting(server.create())
        yield counting
        counting.close()
