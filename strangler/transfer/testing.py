"""Tests of a ``transfer.py``, generated from the tables of both sides: do its maps lose anything?

::

    def test_no_row_changes_on_the_way():
        check_maps(
            tables,
            monolith=model_tables("parcels"),
            service=metadata_tables(Base.metadata),
        )

``strangler.django.transfer.testing`` reads a Django app's tables, ``strangler.sqlalchemy.testing``
those of a service. Rows are made up by Hypothesis, which the extra ``strangler[testing]`` installs;
its settings say how many, and what it does with a row that it has found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from hypothesis import given, note, reject
from hypothesis import strategies as st

from strangler.transfer.mapping import Row, Rows, TableMap, Target, Unmappable, by_table, key_map

Values = st.SearchStrategy[Any]
KIT: Final = "strangler_"
"""So begin the kit's own tables, which stay where they are."""


@dataclass(frozen=True, slots=True)
class Column:
    """What a column holds.

    Attributes:
        values: whatever may be stored in it, beside null.
        null: may it be null?
        key: is it part of the primary key?
        room: how many characters it takes; None for any number of them, or where it is no text.
    """

    values: Values
    null: bool = False
    key: bool = False
    room: int | None = None


Table = Mapping[str, Column]
"""One table: column → what it holds."""
Tables = Mapping[str, Table]
"""Those of one side, by name."""


def check_maps(
    maps: Sequence[TableMap],
    *,
    monolith: Tables,
    service: Tables,
    born: Mapping[str, st.SearchStrategy[Rows]] | None = None,
) -> None:
    """Every table and column is carried, and what goes up comes down the same, and the reverse.

    A row that a map has no counterpart for (``Unmappable``) is passed over: it would be parked, and
    named.

    Args:
        maps: what ``transfer.py`` declares.
        monolith: its tables of this capability.
        service: its tables; the kit's own among them do not count.
        born: by the monolith's table: the rows of one entity as the service itself makes them,
            where its tables would take more than it ever writes.

    Raises:
        AssertionError: something is lost; says all that is declared wrongly, or what changes.
        ValueError: a table is in two maps.
    """
    by_table(maps)
    mine = {name: table for name, table in service.items() if not name.startswith(KIT)}
    _refuse(_misdeclared(maps, monolith, mine))
    for one in maps:
        source = monolith[one.source]
        targets = {target.table: mine[target.table] for target in one.targets}
        _comes_down(one, source, targets)
        _goes_up(one, source, (born or {}).get(one.source, _entities(one, targets)))


def texts(room: int | None = None) -> Values:
    """Whatever a column of text takes, on any database: no NUL, and no half of a pair."""
    return st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=room)


def integers(bits: int) -> Values:
    """Signed ones."""
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def decimals(digits: int | None, places: int | None) -> Values:
    """With so many digits at most, so many of them behind the point."""
    places = 6 if places is None else places
    most = 10 ** (15 if digits is None else digits) - 1
    return st.integers(-most, most).map(lambda units: Decimal(units).scaleb(-places))


MOMENTS: Final[Values] = st.datetimes(
    datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)  # noqa: DTZ001 - made aware
)  # fmt: skip
FLOATS: Final[Values] = st.floats(allow_nan=False, allow_infinity=False)
_SCALARS: Final = (
    st.booleans()
    | st.integers(-(2**53), 2**53)
    # PostgreSQL's numbers are decimal ones: beyond this a float comes back as another.
    | st.floats(-(2.0**53), 2.0**53, width=32)
    | texts(80)
)
JSON: Final[Values] = _SCALARS | st.recursive(
    st.none() | _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(10), inner, max_size=3),
    max_leaves=6,
).filter(lambda value: value is not None)
"""What no column of JSON takes for null."""


def _rows(table: Table) -> st.SearchStrategy[Row]:
    return st.fixed_dictionaries({
        name: st.none() | column.values if column.null else column.values
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


def _comes_down(one: TableMap, source: Table, targets: Tables) -> None:
    @given(_rows(source))
    def what_goes_up_comes_down_the_same(row: Row) -> None:
        note(f"{one.source}: {dict(row)}")
        try:
            made = one.up(row)
            back = {**{name: row[name] for name in one.kept}, **one.back(made)}
        except Unmappable:
            reject()
        _refuse(wrong for name in made for wrong in _unfit(name, targets[name], made[name]))
        _refuse(_changed(one.source, row, back))

    what_goes_up_comes_down_the_same()


def _goes_up(one: TableMap, source: Table, born: st.SearchStrategy[Rows]) -> None:
    @given(born)
    def what_is_born_in_the_service_survives_the_way_back(rows: Rows) -> None:
        note(f"for {one.source}: {dict(rows)}")
        try:
            row = {**one.kept, **one.back(rows)}
            again = one.up(row)
        except Unmappable:
            reject()
        _refuse(_unfit(one.source, source, row))
        _refuse(wrong for name in rows for wrong in _changed(name, rows[name], again[name]))

    what_is_born_in_the_service_survives_the_way_back()


def _refuse(problems: Iterable[str]) -> None:
    if found := list(problems):
        raise AssertionError("\n".join(found))


def _unfit(table: str, columns: Table, row: Row) -> Iterator[str]:
    for name, column in columns.items():
        value = row[name]
        if value is None and not column.null:
            yield f"{table}.{name} can't be null, and is made so"
        if column.room is not None and isinstance(value, str) and len(value) > column.room:
            yield f"{table}.{name} takes {column.room} characters, and gets {len(value)}"


def _changed(table: str, was: Row, now: Row) -> Iterator[str]:
    for name, value in was.items():
        if _differ(value, now[name]):
            yield f"{table}.{name} was {value!r}, and comes back as {now[name]!r}"


def _differ(was: Any, now: Any) -> bool:
    """Also where equality would overlook it: True is no 1, and members of JSON have an order."""
    if type(was) is not type(now) or was != now:
        return True
    return isinstance(was, dict | list) and repr(was) != repr(now)


def _misdeclared(maps: Sequence[TableMap], monolith: Tables, service: Tables) -> Iterator[str]:
    targets = {target.table for one in maps for target in one.targets}
    yield from _odd("the monolith", "table", monolith.keys(), {one.source for one in maps})
    yield from _odd("the service", "table", service.keys(), targets)
    for one in maps:
        source = monolith.get(one.source)
        if source is None:
            continue
        yield from _odd(one.source, "column", source.keys(), one.mapped() | one.kept.keys())
        for target in one.targets:
            if target.table in service:
                yield from _mistargeted(one.source, source, target, service[target.table])


def _mistargeted(name: str, source: Table, target: Target, table: Table) -> Iterator[str]:
    yield from _odd(target.table, "column", table.keys(), target.columns.keys())
    keys = [[column for column, one in side.items() if one.key] for side in (source, table)]
    try:
        key_map(target, *keys)
    except ValueError as error:
        yield str(error)
    for mine, theirs in target.copied.items():
        if mine in table and theirs in source:
            column, other = table[mine], source[theirs]
            yield from _narrower(f"{target.table}.{mine}", column, f"{name}.{theirs}", other)


def _odd(where: str, what: str, there: AbstractSet[str], mapped: AbstractSet[str]) -> Iterator[str]:
    for name in sorted(there - mapped):
        yield f"{where}: no map carries the {what} {name}"
    for name in sorted(mapped - there):
        yield f"{where}: a map names the {what} {name}, which is not there"


def _narrower(mine: str, column: Column, theirs: str, source: Column) -> Iterator[str]:
    if source.null and not column.null:
        yield f"{mine} can't be null, and {theirs} can: such rows would be parked"
    if column.null and not source.null:
        yield f"{mine} may be null, and {theirs} can't: such rows could not come back"
    if column.room is not None and (source.room is None or source.room > column.room):
        room = "any number" if source.room is None else source.room
        yield f"{mine} takes {column.room} characters, and {theirs} {room}"
