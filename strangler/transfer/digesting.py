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
    """Both sides' hashes of one pair, each side's made while the other makes its own."""

    def __init__(self, pair: Pair, monolith: Session, service: Session) -> None:
        self._pair = pair
        self._monolith = monolith
        self._service = service

    def runs(self, after: Key | None) -> Iterator[Run]:
        """All rows after this key: those that are alike, and the small runs where some differ.

        Nothing at all where the databases can't say.
        """
        with ThreadPoolExecutor(1) as beside:
            mine = self._mine(after, None, CHUNK)
            while mine:
                # The last run has no end, for whatever the service has there.
                until = mine[0].last if mine[0].rows == CHUNK else None
                theirs = beside.submit(self._theirs, after, until)
                ahead = self._mine(until, None, CHUNK) if until else []
                run = Run(after, until, mine[0].rows, _same(mine, theirs.result()))
                yield from self._parts(run, beside)
                after, mine = until, ahead

    def _parts(self, run: Run, beside: ThreadPoolExecutor) -> Iterator[Run]:
        """A run, or the runs that it is made of, if some of its rows differ."""
        middle = None
        if not run.alike and run.rows > SMALL:
            first = self._mine(run.after, run.until, run.rows // 2)
            middle = first[0].last if first else None
        if middle is None:
            yield run
            return
        for after, until in ((run.after, middle), (middle, run.until)):
            theirs = beside.submit(self._theirs, after, until)
            mine = self._mine(after, until, None)
            alike = _same(mine, theirs.result())
            yield from self._parts(Run(after, until, mine[0].rows, alike), beside)

    def _mine(self, after: Key | None, until: Key | None, limit: int | None) -> list[Digest]:
        """The monolith's hashes of these rows, as each target has them."""
        source, found = self._pair.source, []
        for target in self._pair.map.targets:
            columns = tuple(target.copied.values())
            found.append(self._monolith.digest(source, columns, after, until=until, limit=limit))
        return [one for one in found if one is not None]

    def _theirs(self, after: Key | None, until: Key | None) -> list[Digest]:
        """The service's; the keys are the same."""
        found = [
            self._service.digest(
                self._pair.targets[target.table], tuple(target.columns), after, until=until
            )
            for target in self._pair.map.targets
        ]
        return [one for one in found if one is not None]


def _same(mine: list[Digest], theirs: list[Digest]) -> bool:
    said = [(one.rows, one.said) for one in mine]
    return said == [(one.rows, one.said) for one in theirs]
