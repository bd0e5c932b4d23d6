"""What capture costs whoever writes, beside the same tables without triggers or with idle ones."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import psycopg

from strangler.ladder import Arm
from tests.bench.harness import Pair, Row, at_most, in_turn, row
from tests.bench.transfer_shop import ITEMS, Sane, shop

ITEM = 1_000
"""Rows that are there when it begins."""
COMMITS = 200
BULK = 10_000
ROUNDS = 31
BULK_ROUNDS = 21
_CASES = {
    "captured": ("captured", 1.15, 2.2),
    "idle": ("capture installed and disabled", 1.03, 1.03),
}
"""What is done to a table, in words, and what it may cost single rows and many."""


class Writer:
    """A connection that adds items, and takes them away again unseen."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._next = ITEM

    def one_by_one(self) -> float:
        """Milliseconds for a commit of one item."""
        began = time.perf_counter()
        for _ in range(COMMITS):
            self._next += 1
            self._connection.execute(ITEMS, [self._next, self._next])
        return (time.perf_counter() - began) / COMMITS * 1e3

    def at_once(self) -> float:
        """Milliseconds for a statement that adds many."""
        self._connection.execute("CHECKPOINT")  # or one of the two would pay for both
        began = time.perf_counter()
        self._connection.execute(ITEMS, [self._next + 1, self._next + BULK])
        self._next += BULK
        return (time.perf_counter() - began) * 1e3

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def bench(server: Sane) -> Iterator[Row]:
    """Single commits and a bulk insert, captured and not."""
    with ExitStack() as stack:
        writers = {}
        for name in ("captured", "beside captured", "idle", "beside idle"):
            one = stack.enter_context(shop(server, items=ITEM, installed=name == "captured"))
            if name == "idle":
                session = one.side(Arm.MONOLITH).session()
                session.install(owner=Arm.MONOLITH, epoch=1)  # everything is there, and off
                session.close()
            writers[name] = Writer(one.monolith)
            stack.callback(writers[name].close)
        # Each has a peer of its own, which has done the same before: a table that has taken many
        # rows takes more of them faster.
        for name, (said, single, several) in _CASES.items():
            ours, peer = writers[name], writers[f"beside {name}"]
            found = in_turn(ours.one_by_one, peer.one_by_one, rounds=ROUNDS)
            yield _row(f"a commit of one row, {said}", found, single)
            found = in_turn(ours.at_once, peer.at_once, rounds=BULK_ROUNDS)
            yield _row(f"an INSERT of {BULK:,} rows, {said}", found, several)


def _row(name: str, found: Sequence[tuple[float, float]], goal: float) -> Row:
    pairs = [Pair(*pair) for pair in found]
    return row(name, pairs, peer_name="no triggers", unit="ms", goal=at_most(goal))
