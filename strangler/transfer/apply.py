"""Carrying rows: dirty keys are claimed where they were written, and applied to the other side.

The order is the point. Keys are claimed, and stay so; the target's transaction locks its owner row,
then the keys; **only then** are the source's rows read, as they are now. The target commits first.
Whoever dies anywhere leaves nothing but work to be done again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from strangler.ladder import Arm
from strangler.transfer.database import Change, Claim, Entry, Parked, Session, Writer
from strangler.transfer.delivering import Deliveries
from strangler.transfer.errors import ReferenceMissing, UniqueTaken, Unwritable
from strangler.transfer.mapping import Key, Unmappable
from strangler.transfer.pairing import Entity, Pair, Pairing
from strangler.transfer.tables import Table

BATCH = 1000
"""Dirty keys that are carried in one transaction."""
AGAIN = 3
"""Times that rows are read again which do not fit together: other transactions go on meanwhile."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one batch."""

    entries: Sequence[Entry] = ()
    entities: frozenset[Entity] = frozenset()
    """Empty, where they were poured."""
    parked: Sequence[Parked] = ()
    census: Mapping[tuple[str, str, bool], int] = field(default_factory=dict)
    """How many entries there were, by table, writer, and whether by the door."""


@dataclass(slots=True)
class Carried:
    """What was carried of a claim; ``failed`` says why not, and then none of it counts."""

    entities: set[Entity] = field(default_factory=set)
    failed: dict[Entity, str] = field(default_factory=dict)


class _Wider(Exception):
    """The batch can't stand alone: these belong to it too."""

    def __init__(self, entities: set[Entity], because: Unwritable) -> None:
        super().__init__(str(because))
        self.entities = entities
        self.because = because


class _NotFit(Exception):
    """One entity can't be carried, whatever comes with it."""

    def __init__(self, entity: Entity, reason: str) -> None:
        super().__init__(reason)
        self.entity = entity
        self.reason = reason


@dataclass(slots=True)
class Flow:
    """Rows of one capability on their way from its owner to the other side. Of one thread."""

    pairing: Pairing
    source: Session
    target: Session
    owner: Arm
    """The side that the rows come from."""
    token: int
    epoch: int
    _careful: bool = field(default=False, init=False)
    """A batch has lacked what it refers to: from then on each is held against that."""
    _deliveries: Deliveries = field(init=False)

    def __post_init__(self) -> None:
        self._deliveries = Deliveries(self)

    def batch(self, limit: int = BATCH) -> Applied:
        """Carry some dirty keys; those that can't be carried are parked.

        Raises:
            Superseded: another mover has taken over, or the owner is another by now.
            DatabaseAway: one of the databases has gone.
        """
        return self.claimed(limit, lambda claim: self.carry(claim.entries))

    def claimed(self, limit: int, carry: Callable[[Claim], Carried]) -> Applied:
        """Claim some dirty keys, and carry them this way; those that can't be are parked."""
        claim: Claim | None = None
        carried = Carried()
        try:
            with self.source.claim(limit) as claim:
                batch = self._deliveries.before(claim)
                carried = carry(claim)
                if carried.failed:
                    raise _Unapplied  # noqa: TRY301 - gives the claim back
                self._deliveries.after(batch)
        except _Unapplied:
            return Applied(parked=self._park(claim.entries if claim else (), carried.failed))
        return Applied(claim.entries, frozenset(carried.entities), census=claim.census())

    def carry(self, entries: Iterable[Entry]) -> Carried:
        """Carry what is claimed, row by row."""
        carried = Carried(self._entities(entries))
        if carried.entities:
            self._carry(carried.entities, carried.failed)
        return carried

    def _entities(self, entries: Iterable[Entry]) -> set[Entity]:
        found = (self.pairing.entity(self.owner, entry.table, entry.key) for entry in entries)
        return {entity for entity in found if entity is not None}

    def _carry(self, entities: set[Entity], failed: dict[Entity, str]) -> None:
        """Carry all of them, or those that can be: one bad row holds up no other."""
        try:
            self._together(entities)
        except (_NotFit, Unwritable) as error:
            if len(entities) == 1:
                (entity,) = entities
                failed[entity] = str(error)
                return
            if isinstance(error, _NotFit) and error.entity in entities:
                failed[error.entity] = error.reason
                self._carry(entities - {error.entity}, failed)
                return
            # By halves, not one by one: most of a large batch is sound.
            ordered = sorted(entities, key=repr)
            middle = len(ordered) // 2
            for half in (ordered[:middle], ordered[middle:]):
                self._carry(set(half), failed)

    def _together(self, entities: set[Entity]) -> None:
        """One transaction, widened by whatever these can't be without.

        Raises:
            _NotFit, Unwritable: the target will not have them.
        """
        wide, tries = set(entities), 0
        while True:
            try:
                self._attempt(wide)
            except _Wider as wider:
                if wider.entities <= wide:
                    raise wider.because from wider
                wide |= wider.entities
            except ReferenceMissing:
                # Perhaps because a transaction came between two tables' reading: they are read
                # again, together with what they hang on.
                tries += 1
                if tries > AGAIN:
                    raise
                self._careful = True
            else:
                return

    def _attempt(self, wide: set[Entity]) -> None:
        with self.target.applying(
            token=self.token, epoch=self.epoch, keys=sorted(wide, key=repr)
        ) as writer:
            changes = self._changes(wide)
            if self._careful:  # before the first write: what refers to a row is found by that row
                related = self._lacking(changes) | self._referring(changes, writer)
                if not related <= wide:
                    raise _Wider(related, ReferenceMissing("a batch without what it refers to"))
            for name, change in changes.items():
                try:
                    writer.write(name, change)
                except UniqueTaken as taken:
                    holders = self._entities_there(name, writer.taken(name, change))
                    raise _Wider(holders, taken) from taken

    @property
    def sessions(self) -> tuple[Session, Session]:
        """The monolith's and the service's."""
        ours = self.source, self.target
        return ours if self.owner is Arm.MONOLITH else ours[::-1]

    @property
    def other(self) -> Arm:
        """The side that the rows go to."""
        return Arm.SERVICE if self.owner is Arm.MONOLITH else Arm.MONOLITH

    def _entities_there(self, table: str, keys: Iterable[Key]) -> set[Entity]:
        """What these rows of the target belong to."""
        found = (self.pairing.entity(self.other, table, key) for key in keys)
        return {entity for entity in found if entity is not None}

    def _referring(self, changes: Mapping[str, Change], writer: Writer) -> set[Entity]:
        """What refers to the rows of a batch that go."""
        found: set[Entity] = set()
        for name, change in changes.items():
            if change.gone:
                for child, keys in writer.referring(name, change.gone).items():
                    found |= self._entities_there(child, keys)
        return found

    def _lacking(self, changes: Mapping[str, Change]) -> set[Entity]:
        """What the rows of a batch refer to and the target lacks, and what that refers to again."""
        found: set[Entity] = set()
        while new := self._orphans(changes) - found:
            found |= new
            changes = self._changes(new)
        return found

    def _orphans(self, changes: Mapping[str, Change]) -> set[Entity]:
        """The parents of these rows that the target lacks."""
        found: set[Entity] = set()
        for name, change in changes.items():
            if change.rows and (table := self._table_there(name)) is not None:
                for parent, keys in self._parents(table, change):
                    there = self.target.read(parent, parent.key, keys)
                    found |= self._entities_there(parent.name, keys - there.keys())
        return found

    def _parents(self, table: Table, change: Change) -> Iterator[tuple[Table, set[Key]]]:
        for reference in table.foreign_keys:
            parent = self._table_there(reference.table)
            if parent is None or sorted(reference.references) != sorted(parent.key):
                continue
            own = dict(zip(reference.references, reference.columns, strict=True))
            if not set(own.values()) <= set(change.columns):
                continue
            places = [change.columns.index(own[column]) for column in parent.key]
            keys = {tuple(row[place] for place in places) for row in change.rows}
            yield parent, {key for key in keys if None not in key}

    def _table_there(self, name: str) -> Table | None:
        tables = (table for pair in self.pairing.pairs for table in pair.tables(self.other))
        return next((table for table in tables if table.name == name), None)

    def _changes(self, entities: Collection[Entity]) -> dict[str, Change]:
        """What has to be done to the target's tables, by the source's rows as they are now."""
        by_source: dict[str, list[Key]] = {}
        for source, key in entities:
            by_source.setdefault(source, []).append(key)
        changes: dict[str, Change] = {}
        turn = self.up if self.owner is Arm.MONOLITH else self.down
        for pair in self.pairing.pairs:
            if keys := by_source.get(pair.map.source):
                changes |= turn(pair, keys)
        return changes

    def up(self, pair: Pair, keys: Sequence[Key]) -> dict[str, Change]:
        """What these rows of the monolith are in the service's tables."""
        rows = self.source.read(pair.source, tuple(pair.source.columns), keys)
        changes = {t.table: Change(tuple(t.columns)) for t in pair.map.targets}
        for key in keys:
            row = rows.get(key)
            if row is None:
                for name, change in changes.items():
                    change.gone.append(pair.keys[name].up(key))
                continue
            try:
                made = pair.map.up(row)
            except Unmappable as error:
                raise _NotFit((pair.map.source, key), str(error)) from error
            for name, change in changes.items():
                change.rows.append(tuple(made[name][column] for column in change.columns))
        return changes

    def down(self, pair: Pair, keys: Sequence[Key]) -> dict[str, Change]:
        """What these entities of the service are in the monolith's table."""
        change = Change(tuple(sorted(pair.map.mapped())), born=dict(pair.map.kept))
        first = pair.map.targets[0].table
        for key, rows in self._whole(pair, keys).items():
            if first not in rows:
                change.gone.append(key)
                continue
            try:
                row = pair.map.back(rows)
            except Unmappable as error:
                raise _NotFit((pair.map.source, key), str(error)) from error
            change.rows.append(tuple(row[column] for column in change.columns))
        return {pair.map.source: change}

    def _whole(self, pair: Pair, keys: Collection[Key]) -> dict[Key, dict[str, Mapping[str, Any]]]:
        """The same; a transaction that committed between two tables' reading is read again."""
        found = self.there(pair, keys)
        for _ in range(AGAIN):
            torn = [key for key, rows in found.items() if 0 < len(rows) < len(pair.map.targets)]
            if not torn:
                break
            found |= self.there(pair, torn)
        return found

    def there(self, pair: Pair, keys: Collection[Key]) -> dict[Key, dict[str, Mapping[str, Any]]]:
        """The service's rows of these keys of the monolith, by key and table."""
        session = self.source if self.owner is Arm.SERVICE else self.target
        found: dict[Key, dict[str, Mapping[str, Any]]] = {key: {} for key in keys}
        for target in pair.map.targets:
            table, turned = pair.targets[target.table], pair.keys[target.table]
            wanted = [turned.up(key) for key in keys]
            for key, row in session.read(table, tuple(target.columns), wanted).items():
                found[turned.down(key)][target.table] = row
        return found

    def entities_of(self, pair: Pair, keys: Collection[Key]) -> set[Key]:
        """Which of these keys of the monolith's table the source has."""
        if self.owner is Arm.MONOLITH:
            return set(self.source.read(pair.source, pair.source.key, keys))
        turned = pair.keys[pair.first.name]
        wanted = [turned.up(key) for key in keys]
        return {turned.down(key) for key in self.source.read(pair.first, pair.first.key, wanted)}

    def named(self, pair: Pair, keys: Collection[Key]) -> tuple[str, list[Key]]:
        """These keys of the monolith's table as the source's journal names them."""
        if self.owner is Arm.MONOLITH:
            return pair.source.name, list(keys)
        turned = pair.keys[pair.first.name]
        return pair.first.name, [turned.up(key) for key in keys]

    def _park(self, entries: Sequence[Entry], failed: Mapping[Entity, str]) -> list[Parked]:
        now = datetime.now(UTC)
        parked: dict[tuple[str, Key], Parked] = {}
        for entry in entries:
            entity = self.pairing.entity(self.owner, entry.table, entry.key)
            if entity is not None and entity in failed:
                one = Parked(entry.table, entry.key, failed[entity], now)
                parked[entry.table, entry.key] = one
        with self.source.step(token=self.token, epoch=self.epoch) as step:
            step.park(list(parked.values()))
        return list(parked.values())


class _Unapplied(Exception):
    """Some of a claim can't be applied: the claim is given back, and they are parked first."""
