"""The first time round: every row is called dirty, and goes the way of all others.

There is no copying beside the applying, so the two can't race. Parents are called before their
children, and no more at once than keeps the journal short.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from strangler.transfer.apply import Flow
from strangler.transfer.mapping import Key
from strangler.transfer.pairing import Pair
from strangler.transfer.tables import Table

CHUNK = 5000
"""Keys that are called dirty or compared at once."""
ROOM = 20_000
"""Dirty keys above which the backfill waits for them to be applied."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it has come. Rows are the monolith's, and the total is about right."""

    enqueued: int
    total: int
    done: bool


class Backfill:
    """Calls every row of the source dirty, and every row of the target that the source lacks."""

    def __init__(self, flow: Flow, *, chunk: int = CHUNK) -> None:
        """``chunk``: keys that are called dirty at once."""
        self._flow = flow
        self._chunk = chunk
        self._chunks = self._all()
        self._enqueued = 0
        self._total = sum(
            flow.source.count(table)
            for pair in flow.pairing.carried()
            for table in pair.tables(flow.owner)
        )
        # Fenced there: what is empty now will have no rows but those that we bring.
        self._empty = {
            table.name
            for pair in flow.pairing.carried()
            for table in pair.tables(flow.other)
            if not flow.target.chunk(table, table.key, None, 1)
        }
        self._done = False

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        return Progress(self._enqueued, max(self._total, self._enqueued), self._done)

    def more(self) -> bool:
        """Call one more chunk dirty, if there is room; whether there may be more to do.

        Raises:
            Superseded: another mover has taken over.
            DatabaseAway: one of the databases has gone.
        """
        if self._done:
            return False
        if self.roomy:
            self._enqueued += next(self._chunks, 0)
        return not self._done

    @property
    def roomy(self) -> bool:
        """Is the journal short enough for more?"""
        return self._flow.source.pending() <= ROOM

    def _all(self) -> Iterator[int]:
        pairs = self._flow.pairing.carried()
        for pair in pairs:
            for table in pair.tables(self._flow.owner):
                yield from self._enqueue(table)
        for pair in reversed(pairs):
            yield from self._leftovers(pair)
        self._done = True

    def _enqueue(self, table: Table) -> Iterator[int]:
        flow, after = self._flow, None
        while True:
            with flow.source.step(token=flow.token, epoch=flow.epoch) as step:
                after = step.enqueue_chunk(table.name, after, self._chunk)
            if after is None:
                return
            yield self._chunk

    def _leftovers(self, pair: Pair) -> Iterator[int]:
        """Rows of the target, from an earlier climb, that the source does not have any more."""
        flow = self._flow
        for table in pair.tables(flow.other):
            if table.name in self._empty:
                continue
            after: Key | None = None
            while rows := flow.target.chunk(table, table.key, after, CHUNK):
                after = rows[-1][0]
                keys = [pair.entity(table.name, key)[1] for key, _ in rows]
                there = flow.entities_of(pair, keys)
                gone = [key for key in keys if key not in there]
                if gone:
                    with flow.source.step(token=flow.token, epoch=flow.epoch) as step:
                        step.enqueue(*flow.named(pair, gone))
                yield 0
