"""Comparing many rows by one hash of each side, and finding where two hashes differ by halves."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from strangler.transfer.database import Digest, Session
from strangler.transfer.mapping import Key
from strangler.transfer.pairing import Pair

CHUNK = 20_000
"""Rows that have one hash."""
SMALL = 500
"""Rows that are looked at one by one, where their hashes differ."""


@dataclass(frozen=True, slots=True)
class Run:
    """Rows of the monolith after one key, up to and with another; ``alike`` on both sides."""

    after: Key | None
    until: Key | None
    rows: int
    alike: bool = False


def comparable(pair: Pair) -> bool:
    """Is every column of the service's a copy of the same kind, and the keys in one order?"""
    for target in pair.map.targets:
        table, copied = pair.targets[target.table], target.copied
        if len(copied) < len(target.columns) or [copied[name] for name in table.key] != list(
            pair.source.key
        ):
            return False
        for mine, theirs in copied.items():
            if table.columns[mine].kind is not pair.source.columns[theirs].kind:
                return False
    return True


class Digesting:
    """Both sides' hashes of one pair. The service's are asked for beside the monolith's."""

    def __init__(self, pair: Pair, monolith: Session, service: Session) -> None:
        self._pair = pair
        self._monolith = monolith
        self._service = service

    def runs(self, after: Key | None) -> Iterator[Run]:
        """All rows after this key: those that are alike, and the small runs where some differ.

        Nothing at all where the databases can't say.
        """
        with ThreadPoolExecutor(1) as beside:
            while (run := self._next(after, CHUNK, beside)) is not None:
                yield from self._parts(run, beside)
                if run.until is None:
                    return
                after = run.until

    def _parts(self, run: Run, beside: ThreadPoolExecutor) -> Iterator[Run]:
        if run.alike or run.rows <= SMALL:
            yield run
            return
        first = self._mine(run.after, None, run.rows // 2)
        middle = first.last if first is not None else None
        if first is None or middle is None:
            yield run
            return
        second = self._mine(middle, run.until, None)
        rows = second.rows if second is not None else 0
        for after, until, size in (
            (run.after, middle, first.rows),
            (middle, run.until, rows),
        ):
            half = Run(after, until, size, self._alike(after, until, beside))
            yield from self._parts(half, beside)

    def _next(self, after: Key | None, limit: int, beside: ThreadPoolExecutor) -> Run | None:
        """The next run; its last one has no end, for whatever the service has there."""
        ahead = self._mine(after, None, limit)
        if ahead is None:
            return None
        until = ahead.last if ahead.rows == limit else None
        return Run(after, until, ahead.rows, self._alike(after, until, beside, ahead))

    def _alike(
        self, after: Key | None, until: Key | None, beside: ThreadPoolExecutor,
        first: Digest | None = None,
    ) -> bool:  # fmt: skip
        for place, target in enumerate(self._pair.map.targets):
            table, turn = self._pair.targets[target.table], self._pair.keys[target.table].up
            theirs = beside.submit(
                self._service.digest,
                table,
                tuple(target.columns),
                turn(after) if after else None,
                until=turn(until) if until else None,
            )
            mine = first if first and not place else self._mine(after, until, None, place)
            said = theirs.result()
            if mine is None or said is None or (mine.rows, mine.said) != (said.rows, said.said):
                return False
        return True

    def _mine(
        self, after: Key | None, until: Key | None, limit: int | None, place: int = 0
    ) -> Digest | None:
        columns = tuple(self._pair.map.targets[place].copied.values())
        return self._monolith.digest(self._pair.source, columns, after, until=until, limit=limit)
