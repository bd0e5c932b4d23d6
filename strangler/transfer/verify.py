"""Comparing both sides in chunks of the key's order, by their hashes where the databases can.

Where they can't, and where two hashes differ, it is done row by row. Rows of the monolith are
mapped up and held against the service's, whichever side owns them: that sees what a mapping loses,
too. A difference counts if it outlives its key's drain: what is dirty is only on its way.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from strangler.ladder import Arm
from strangler.transfer.database import Session
from strangler.transfer.digesting import Digesting, comparable
from strangler.transfer.mapping import Key, Unmappable
from strangler.transfer.marks import Mark
from strangler.transfer.pairing import Entity, Pair, Pairing

CHUNK = 5000
"""Rows that are compared at once."""
PATIENCE = 30.0
"""Seconds for which a difference may be on its way."""
_PAUSE = 0.1


class Kind(StrEnum):
    """What is wrong with a row."""

    MISSING = "missing"
    """The service has no such row."""
    EXTRA = "extra"
    """The monolith has no such row."""
    CHANGED = "changed"
    UNMAPPABLE = "unmappable"
    """The monolith has it, and no mapping accepts it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row that is not the same on both sides. ``table`` and ``key`` are the service's."""

    table: str
    key: Key
    kind: Kind
    columns: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Seen:
    """One row as it was found on both sides, and what is wrong with that."""

    monolith: Mapping[str, Any] | None
    service: Mapping[str, Mapping[str, Any]]
    wrong: list[Finding]


@dataclass(slots=True)
class Verified:
    """How far a verification has come: rows of the monolith compared, of about so many."""

    rows: int
    total: int


class Verification:
    """Compares everything once, from the beginning or from where another has come to.

    Attributes:
        rows: the monolith's rows that have been compared, by the other one too.
        total: about how many there are.
    """

    def __init__(
        self,
        pairing: Pairing,
        *,
        monolith: Session,
        service: Session,
        owner: Arm,
        since: Mark | None = None,
    ) -> None:
        """Two sessions of its own; it locks nothing, and changes nothing."""
        self._pairing = pairing
        self._monolith = monolith
        self._service = service
        self._journal = monolith if owner is Arm.MONOLITH else service
        self._owner = owner
        self._since = since
        self._suspects: dict[Entity, None] = dict.fromkeys(since.suspects if since else ())
        self._place: tuple[str, Key | None] | None = (since.table, since.after) if since else None
        self.rows = since.rows if since else 0
        self.total = sum(monolith.count(pair.source) for pair in pairing.carried())

    def chunks(self) -> Iterator[Verified]:
        """Compare chunk by chunk; what differs is kept for ``findings``.

        Raises:
            DatabaseAway: one of the databases has gone.
        """
        since = self._since
        for pair in self._pairing.carried():
            after = None
            if since is not None:
                if pair.map.source != since.table:
                    continue
                after, since = since.after, None
            self._place = pair.map.source, after
            yield from self._pair(pair, after)

    def _pair(self, pair: Pair, after: Key | None) -> Iterator[Verified]:
        hashed = False
        if comparable(pair):
            for run in Digesting(pair, self._monolith, self._service).runs(after):
                hashed = True
                if run.alike:
                    self.rows += run.rows
                else:
                    yield from self._by_row(pair, run.after, run.until)
                if run.until is not None:
                    self._place = pair.map.source, run.until
                yield Verified(self.rows, max(self.total, self.rows))
        if not hashed:
            for last in self._monolith_rows(pair, after, None):
                self._place = pair.map.source, last
                yield Verified(self.rows, max(self.total, self.rows))
            for _ in self._strangers(pair, None, None):
                yield Verified(self.rows, max(self.total, self.rows))

    @property
    def mark(self) -> Mark | None:
        """How far it has come; None where it has not begun."""
        if self._place is None:
            return None
        return Mark(*self._place, self.rows, tuple(self._suspects))

    def _by_row(self, pair: Pair, after: Key | None, until: Key | None) -> Iterator[Verified]:
        for _ in self._monolith_rows(pair, after, until):
            yield Verified(self.rows, max(self.total, self.rows))
        for _ in self._strangers(pair, after, until):
            yield Verified(self.rows, max(self.total, self.rows))

    def _monolith_rows(self, pair: Pair, after: Key | None, until: Key | None) -> Iterator[Key]:
        """Compare these rows of the monolith; the last key of each chunk."""
        columns = tuple(pair.source.columns)
        while rows := self._monolith.chunk(pair.source, columns, after, CHUNK, until):
            after = rows[-1][0]
            found = _compare(pair, dict(rows), self._read(pair, [key for key, _ in rows]))
            self._suspects.update(dict.fromkeys((pair.map.source, key) for key in found))
            self.rows += len(rows)
            yield after

    def _strangers(self, pair: Pair, after: Key | None, until: Key | None) -> Iterator[None]:
        """Find rows of the service that the monolith lacks, chunk by chunk."""
        for table in pair.tables(Arm.SERVICE):
            turn = pair.keys[table.name].up
            first, last = turn(after) if after else None, turn(until) if until else None
            while rows := self._service.chunk(table, table.key, first, CHUNK, last):
                first = rows[-1][0]
                keys = [pair.entity(table.name, key)[1] for key, _ in rows]
                there = self._monolith.read(pair.source, pair.source.key, keys)
                strangers = ((pair.map.source, key) for key in keys if key not in there)
                self._suspects.update(dict.fromkeys(strangers))
                yield

    def findings(self, *, patience: float = PATIENCE) -> list[Finding]:
        """What differs and is not on its way; asks again while it may be."""
        return self.check(list(self._suspects), patience=patience)

    def check(self, entities: Collection[Entity], *, patience: float = PATIENCE) -> list[Finding]:
        """Compare these, until it is known of each that differs whether it is on its way.

        The two sides are read one after the other: a row may be written, and carried, in between.
        So both are read twice. What differs, and was neither dirty nor another meanwhile, is wrong.
        """
        until = time.monotonic() + patience
        wrong: list[Finding] = []
        left = self._differing(entities)
        while left:
            on_its_way = self._dirty(left)
            again = self._differing(left)
            on_its_way |= self._dirty(left)
            late = time.monotonic() > until
            steady = {
                entity
                for entity, seen in again.items()
                if late or (seen == left[entity] and entity not in on_its_way)
            }
            wrong += [one for entity in again if entity in steady for one in again[entity].wrong]
            left = {entity: seen for entity, seen in again.items() if entity not in steady}
            if left:
                time.sleep(_PAUSE)
        return wrong

    def _differing(self, entities: Collection[Entity]) -> dict[Entity, _Seen]:
        looks = ((entity, self._look(entity)) for entity in entities)
        return {entity: seen for entity, seen in looks if seen.wrong}

    def _look(self, entity: Entity) -> _Seen:
        pair, key = self._pairing.of(entity[0]), entity[1]
        rows = self._monolith.read(pair.source, tuple(pair.source.columns), [key])
        there = self._read(pair, [key]).get(key, {})
        wrong = (
            _compare(pair, rows, {key: there}).get(key, [])
            if key in rows
            else [Finding(name, pair.keys[name].up(key), Kind.EXTRA) for name in there]
        )
        return _Seen(rows.get(key), there, wrong)

    def _dirty(self, entities: Collection[Entity]) -> set[Entity]:
        found: set[Entity] = set()
        by_source: dict[str, list[Key]] = {}
        for source, key in entities:
            by_source.setdefault(source, []).append(key)
        for source, keys in by_source.items():
            pair = self._pairing.of(source)
            for table in pair.tables(self._owner):
                if self._owner is Arm.MONOLITH:
                    found |= {(source, key) for key in self._journal.dirty(table.name, keys)}
                else:
                    own = [pair.keys[table.name].up(key) for key in keys]
                    dirty = self._journal.dirty(table.name, own)
                    found |= {pair.entity(table.name, key) for key in dirty}
        return found

    def _read(self, pair: Pair, keys: Sequence[Key]) -> dict[Key, dict[str, Mapping[str, Any]]]:
        found: dict[Key, dict[str, Mapping[str, Any]]] = {}
        for target in pair.map.targets:
            table, turned = pair.targets[target.table], pair.keys[target.table]
            wanted = [turned.up(key) for key in keys]
            for key, row in self._service.read(table, tuple(target.columns), wanted).items():
                found.setdefault(turned.down(key), {})[target.table] = row
        return found


def _compare(
    pair: Pair,
    rows: Mapping[Key, Mapping[str, Any]],
    there: Mapping[Key, Mapping[str, Mapping[str, Any]]],
) -> dict[Key, list[Finding]]:
    """What is wrong with the service's rows, by the monolith's key."""
    wrong: dict[Key, list[Finding]] = {}
    first = pair.map.targets[0].table
    nothing: Mapping[str, Mapping[str, Any]] = {}
    for key, row in rows.items():
        try:
            wanted = pair.map.up(row)
        except Unmappable as error:
            finding = Finding(first, pair.keys[first].up(key), Kind.UNMAPPABLE, reason=str(error))
            wrong[key] = [finding]
            continue
        have = there.get(key, nothing)
        if have == wanted:
            continue
        found = []
        for name, values in wanted.items():
            theirs = have.get(name)
            if theirs is None:
                found.append(Finding(name, pair.keys[name].up(key), Kind.MISSING))
            elif columns := tuple(c for c, value in values.items() if theirs[c] != value):
                found.append(Finding(name, pair.keys[name].up(key), Kind.CHANGED, columns))
        if found:
            wrong[key] = found
    return wrong
