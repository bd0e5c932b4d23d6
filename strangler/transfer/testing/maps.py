"""Whether maps lose anything of the rows of either side."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final, Never

from hypothesis import given, note, reject
from hypothesis import strategies as st
from hypothesis.errors import FailedHealthCheck, Unsatisfiable

from strangler.transfer.mapping import Row, Rows, TableMap, Target, Unmappable, by_table, key_map
from strangler.transfer.testing.columns import Table, Tables

KIT: Final = "strangler_"
"""So begin the kit's own tables, which stay where they are."""


def check_maps(
    maps: Sequence[TableMap],
    *,
    monolith: Tables,
    service: Tables,
    born: Mapping[str, st.SearchStrategy[Rows]] | None = None,
    own: Collection[str] = (),
) -> None:
    """Every table and column is carried, and what goes up comes down the same, and the reverse.

    A row of the monolith's that a map refuses, by a ``ValueError``, is passed over: it would be
    parked, and named. Any other error of a map is a mistake, and so is a row of the service's that
    can't come back.

    Args:
        maps: what ``transfer.py`` declares.
        monolith: its tables of this capability.
        service: its tables; the kit's own among them do not count.
        born: by the monolith's table: the rows of one entity as the service itself makes them,
            where its tables would take more than it ever writes.
        own: what the monolith never learns of: columns of the service, as ``table.column``. Their
            values are lost where the rows come back for good.

    Raises:
        AssertionError: something is lost; says all that is declared wrongly, or what changes.
        ValueError: a table is in two maps; ``born`` or ``own`` names what is not there.
    """
    by_table(maps)
    mine = _without(own, {n: table for n, table in service.items() if not n.startswith(KIT)})
    if odd := sorted((born or {}).keys() - {one.source for one in maps}):
        raise ValueError(f"born: no map is of the table {', '.join(odd)}")
    _refuse(_misdeclared(maps, monolith, mine))
    for one in maps:
        targets = {target.table: mine[target.table] for target in one.targets}
        pair = _Pair(one, monolith[one.source], targets)
        pair.comes_down()
        pair.goes_up((born or {}).get(one.source))


@dataclass(frozen=True)
class _Pair:
    """One map, and the tables of either side."""

    map: TableMap
    source: Table
    targets: Tables

    def comes_down(self) -> None:
        refused: list[str] = []

        @given(_rows(self.source))
        def what_goes_up_comes_down_the_same(row: Row) -> None:
            note(f"{self.map.source}: {dict(row)}")
            made = self._up(row, refused)
            for name, table in self.targets.items():
                _refuse(_unfit(name, table, made[name]))
            _refuse(_changed(self.map.source, row, {**row, **self._back(made)}))

        _run(what_goes_up_comes_down_the_same, refused)

    def goes_up(self, born: st.SearchStrategy[Rows] | None) -> None:
        @given(_entities(self.map, self.targets) if born is None else born)
        def what_is_born_in_the_service_survives_the_way_back(rows: Rows) -> None:
            note(f"for {self.map.source}: { {name: dict(row) for name, row in rows.items()} }")
            _refuse(_odd("born", "table", self.targets.keys(), rows.keys()))
            for name, table in self.targets.items():
                _refuse(_odd(f"born: {name}", "column", table.keys(), rows[name].keys()))
                _refuse(_unfit(name, table, rows[name]))
            row = {**self.map.kept, **self._back(rows)}
            _refuse(_unfit(self.map.source, self.source, row))
            again = self._up(row, None)
            for name in self.targets:
                _refuse(_changed(name, rows[name], again[name]))

        what_is_born_in_the_service_survives_the_way_back()

    def _up(self, row: Row, refused: list[str] | None) -> Rows:
        try:
            return self.map.up(deepcopy(dict(row)))
        except Unmappable as error:
            if refused is None or not isinstance(error.__cause__, ValueError):
                _lost(f"it can't go up: {error}", error)
            refused.append(str(error))
            reject()

    def _back(self, rows: Rows) -> Row:
        try:
            return self.map.back(deepcopy(dict(rows)))
        except Unmappable as error:
            _lost(f"it can't come back: {error}", error)


def _run(test: Callable[[], None], refused: Sequence[str]) -> None:
    try:
        test()
    except (FailedHealthCheck, Unsatisfiable) as error:
        if refused:
            _lost(f"next to no row can go up: {refused[-1]}", error)
        raise


def _lost(said: str, error: Exception) -> Never:
    cause = error.__cause__
    kind = f" ({type(cause).__name__})" if isinstance(error, Unmappable) and cause else ""
    raise AssertionError(f"{said}{kind}") from error


def _refuse(problems: Iterable[str]) -> None:
    if found := list(problems):
        raise AssertionError("\n".join(found))


def _rows(table: Table) -> st.SearchStrategy[Row]:
    return st.fixed_dictionaries({
        name: st.none() | column.holds.values if column.null else column.holds.values
        for name, column in table.items()
    })  # fmt: skip


def _entities(one: TableMap, targets: Tables) -> st.SearchStrategy[Rows]:
    """The rows of one entity: what several of them copy, their keys first of all, is the same."""
    rows = st.fixed_dictionaries({name: _rows(table) for name, table in targets.items()})

    def as_one(drawn: Rows) -> Rows:
        said: dict[str, Any] = {}
        for target in one.targets:
            for mine, theirs in target.copied.items():
                said.setdefault(theirs, drawn[target.table][mine])
        return {
            target.table: {
                **drawn[target.table],
                **{mine: said[theirs] for mine, theirs in target.copied.items()},
            }
            for target in one.targets
        }

    return rows.map(as_one)


def _unfit(table: str, columns: Table, row: Row) -> Iterator[str]:
    for name, column in columns.items():
        value = row[name]
        if value is None:
            if not column.null:
                yield f"{table}.{name} can't be null, and is made so"
        elif not column.holds.takes(value):
            yield f"{table}.{name} holds {column.holds.said}, and gets {_short(value)}"


def _changed(table: str, was: Row, now: Row) -> Iterator[str]:
    for name, value in was.items():
        if _differ(value, now[name]):
            yield f"{table}.{name} was {_short(value)}, and comes back as {_short(now[name])}"


def _differ(was: Any, now: Any) -> bool:
    """Also where equality would overlook it: 1 is not 1.0, and members of JSON have an order."""
    if isinstance(was, bool | int | float | dict | list):
        return repr(was) != repr(now)
    return bool(was != now)


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 80 else f"{said[:60]}… ({len(value)} in all)"


def _misdeclared(maps: Sequence[TableMap], monolith: Tables, service: Tables) -> Iterator[str]:
    targets = {target.table for one in maps for target in one.targets}
    yield from _odd("the monolith", "table", monolith.keys(), {one.source for one in maps})
    yield from _odd("the service", "table", service.keys(), targets)
    for one in maps:
        source = monolith.get(one.source)
        if source is None:
            continue
        for column in sorted(one.mapped() & one.kept.keys()):
            yield f"{one.source}.{column} is kept, and carried too"
        yield from _odd(one.source, "column", source.keys(), one.mapped() | one.kept.keys())
        for target in one.targets:
            if target.table in service:
                yield from _mistargeted(source, target, service[target.table])


def _mistargeted(source: Table, target: Target, table: Table) -> Iterator[str]:
    yield from _odd(target.table, "column", table.keys(), target.columns.keys())
    keys = [[column for column, one in side.items() if one.key] for side in (source, table)]
    try:
        key_map(target, *keys)
    except ValueError as error:
        yield str(error)


def _odd(where: str, what: str, there: AbstractSet[str], mapped: AbstractSet[str]) -> Iterator[str]:
    for name in sorted(there - mapped):
        yield f"{where}: nothing says the {what} {name}"
    for name in sorted(mapped - there):
        yield f"{where}: there is no {what} {name}"


def _without(own: Collection[str], tables: Tables) -> Tables:
    columns = {f"{table}.{column}" for table, there in tables.items() for column in there}
    if odd := sorted(set(own) - columns):
        raise ValueError(f"own: there is no column {', '.join(odd)}")
    return {
        table: {name: column for name, column in there.items() if f"{table}.{name}" not in own}
        for table, there in tables.items()
    }
