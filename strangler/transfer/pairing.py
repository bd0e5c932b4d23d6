"""Maps held against the two databases: which tables and keys belong together.

What does not fit is said at once, each problem with what to do instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from strangler.ladder import Arm
from strangler.transfer.database import HEARTBEAT, Session
from strangler.transfer.errors import Unfit
from strangler.transfer.mapping import Key, KeyMap, TableMap, Target, by_table, key_map
from strangler.transfer.tables import ColumnKind, Table

PULSE = TableMap(
    HEARTBEAT, Target(HEARTBEAT, {"capability": "capability", "beat": "beat", "at": "at"})
)
"""The canary row goes the way of all others."""

Entity = tuple[str, Key]
"""What is carried as one: the monolith's table and the key there, whichever side it comes from."""


@dataclass(frozen=True)
class Pair:
    """One map, and the tables that it is about as they are."""

    map: TableMap
    source: Table
    targets: Mapping[str, Table]
    keys: Mapping[str, KeyMap]

    @property
    def first(self) -> Table:
        """The service's table whose rows say which entities there are."""
        return self.targets[self.map.targets[0].table]

    def tables(self, arm: Arm) -> tuple[Table, ...]:
        """The tables of one side."""
        return (self.source,) if arm is Arm.MONOLITH else tuple(self.targets.values())

    def entity(self, table: str, key: Key) -> Entity:
        """What a row of either side belongs to."""
        return (self.map.source, self.keys[table].down(key) if table in self.keys else key)

    def numbered(self, arm: Arm) -> Iterator[tuple[str, str, str, str]]:
        """The columns of one side that the database numbers: table, column, and their other side's.

        Only those that are copied: where they are not, the two sides number for themselves.
        """
        for target in self.map.targets:
            for mine, theirs in target.copied.items():
                there = (target.table, mine)
                here = (self.source.name, theirs)
                if arm is Arm.MONOLITH and self.source.columns[theirs].sequence:
                    yield *here, *there
                if arm is Arm.SERVICE and self.targets[target.table].columns[mine].sequence:
                    yield *there, *here


@dataclass(frozen=True)
class Pairing:
    """All maps of one capability, parents before those that refer to them."""

    pairs: Sequence[Pair]

    def find(self, arm: Arm, table: str) -> Pair | None:
        """The pair of a table of one side."""
        for pair in self.pairs:
            if any(one.name == table for one in pair.tables(arm)):
                return pair
        return None

    def of(self, source: str) -> Pair:
        """The pair of a table of the monolith."""
        return next(pair for pair in self.pairs if pair.map.source == source)

    def entity(self, arm: Arm, table: str, key: Key) -> Entity | None:
        """What a row of one side belongs to; None for a table that no map names."""
        pair = self.find(arm, table)
        if pair is None:
            return None
        return (pair.map.source, key) if arm is Arm.MONOLITH else pair.entity(table, key)

    def carried(self) -> list[Pair]:
        """The pairs of the capability's own tables."""
        return [pair for pair in self.pairs if pair.map is not PULSE]


def changed(pairing: Pairing, monolith: Session, service: Session) -> list[str]:
    """Which tables are not any more as they were when the maps were held against them, in words.

    Raises:
        DatabaseAway: one of them can't be asked.
    """
    found: list[str] = []
    for pair in pairing.carried():
        for session, arm in ((monolith, Arm.MONOLITH), (service, Arm.SERVICE)):
            for table in pair.tables(arm):
                try:
                    if session.inspect(table.name) != table:
                        found.append(f"{table.name} of the {arm} has been altered")
                except Unfit as unfit:
                    found += unfit.problems
    return found


def pair(maps: Iterable[TableMap], monolith: Session, service: Session) -> Pairing:
    """Hold the maps against both databases, on which the kit's tables are installed.

    Raises:
        Unfit: with everything that does not fit.
        DatabaseAway: one of them can't be asked.
    """
    pairs = fit(maps, monolith, service)
    return Pairing([*pairs, _pair(PULSE, monolith, service)])


def fit(maps: Iterable[TableMap], monolith: Session, service: Session) -> list[Pair]:
    """The pairs of the capability's own tables, parents first.

    Raises:
        Unfit: with everything that does not fit.
        DatabaseAway: one of them can't be asked.
    """
    maps = tuple(maps)
    try:
        by_table(maps)
    except ValueError as error:
        raise Unfit([str(error)]) from error
    problems: list[str] = []
    pairs: list[Pair] = []
    for one in maps:
        try:
            pairs.append(_pair(one, monolith, service))
        except Unfit as unfit:
            problems += unfit.problems
    if not problems:
        problems += _strays(pairs)
    if problems:
        raise Unfit(problems)
    return _parents_first(pairs)


def _pair(one: TableMap, monolith: Session, service: Session) -> Pair:
    source = monolith.inspect(one.source)
    targets = {target.table: service.inspect(target.table) for target in one.targets}
    problems = [*_source(one, source)]
    keys: dict[str, KeyMap] = {}
    for target in one.targets:
        table = targets[target.table]
        problems += _target(target, source, table)
        try:
            keys[target.table] = key_map(target, source.key, table.key)
        except ValueError as error:
            problems.append(str(error))
    if one is not PULSE:
        for table in (source, *targets.values()):
            problems += _table(table)
    if problems:
        raise Unfit(problems)
    return Pair(one, source, targets, keys)


def _table(table: Table) -> Iterator[str]:
    if not table.key:
        yield f"{table.name}: it has no primary key; give it one, or its rows can't be told apart"
    for reference in table.foreign_keys:
        name = f"{table.name}({', '.join(reference.columns)}) → {reference.table}"
        if reference.acts:
            yield (
                f"{name}: it deletes or changes rows by itself; declare it NO ACTION, and let the "
                "application do that"
            )
        if not reference.deferrable:
            yield (
                f"{name}: it is checked at once; declare it DEFERRABLE INITIALLY DEFERRED, because "
                "rows arrive in any order"
            )


def _source(one: TableMap, table: Table) -> Iterator[str]:
    mapped = one.mapped()
    for column in table.columns.values():
        if column.generated or column.name in mapped or column.name in one.kept:
            continue
        yield (
            f"{one.source}.{column.name}: the map does not say what becomes of it; copy it, give "
            "its `down`, or name it among `kept`"
        )
    for name in sorted((mapped | set(one.kept)) - set(table.columns)):
        yield f"{one.source}.{name}: the map names it, and there is no such column"
    for name in sorted(mapped & set(one.kept)):
        yield f"{one.source}.{name}: it is `kept`, and mapped as well; it can't be both"


def _target(target: Target, source: Table, table: Table) -> Iterator[str]:
    for name in sorted(set(target.columns) - set(table.columns)):
        yield f"{target.table}.{name}: the map fills it, and there is no such column"
    for column in table.columns.values():
        if column.name not in target.columns:
            if not (column.nullable or column.defaulted or column.generated):
                yield f"{target.table}.{column.name}: it has to be filled, and the map does not"
        elif column.generated:
            yield f"{target.table}.{column.name}: the database computes it; leave it out of the map"
    for mine, theirs in target.copied.items():
        if mine in table.columns and theirs in source.columns:
            here, there = table.columns[mine].kind, source.columns[theirs].kind
            if here is not there and frozenset({here, there}) not in _ALIKE:
                yield (
                    f"{target.table}.{mine}: it holds {here}, and is copied from "
                    f"{source.name}.{theirs}, which holds {there}; compute it, both ways"
                )


_ALIKE = {
    frozenset({ColumnKind.TEXT, ColumnKind.OTHER}),
    frozenset({ColumnKind.INTEGER, ColumnKind.BOOLEAN}),
}
"""Kinds that can be copied into one another: SQLite has fewer than PostgreSQL."""


def _strays(pairs: Sequence[Pair]) -> Iterator[str]:
    """References that lead out of what is carried: the rows there would not be."""
    for arm in Arm:
        known = {table.name for pair in pairs for table in pair.tables(arm)}
        for pair in pairs:
            for table in pair.tables(arm):
                for reference in table.foreign_keys:
                    if reference.table not in known:
                        yield (
                            f"{table.name}({', '.join(reference.columns)}) → {reference.table}: no "
                            f"map of the {arm} names that table; refer to it by key, without a "
                            "foreign key"
                        )


def _parents_first(pairs: Sequence[Pair]) -> list[Pair]:
    named = {pair.map.source: pair for pair in pairs}
    parents = {
        name: {one.table for one in pair.source.foreign_keys if one.table in named} - {name}
        for name, pair in named.items()
    }
    try:
        return [named[name] for name in TopologicalSorter(parents).static_order()]
    except CycleError:
        return list(pairs)  # a batch closes over what it refers to anyway
