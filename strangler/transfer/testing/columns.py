"""What columns can hold, to make up rows of them, and to see whether a value fits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st

Values = st.SearchStrategy[Any]
LONG: Final = 1000
"""Characters of a text that is longer than most columns have room for."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a column can hold, beside null.

    Attributes:
        said: in words.
        values: any of it.
        takes: is this value any of it?
    """

    said: str
    values: Values
    takes: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        holds: see there.
        null: may it be null?
        key: is it part of the primary key?
    """

    holds: Held
    null: bool = False
    key: bool = False


Table = Mapping[str, Column]
"""One table: column → what it is."""
Tables = Mapping[str, Table]
"""Those of one side, by name."""


class Unknown(TypeError):
    """Nobody knows what a column holds; says which, and what to do."""

    def __init__(self, name: str, kind: str) -> None:
        super().__init__(f"what does a {kind} hold? Say it: values={{{name!r}: a strategy}}")


def chosen(name: str, found: Held | None, kind: str, values: Mapping[str, Values]) -> Held:
    """What a column holds: as somebody says, or as its type does.

    Raises:
        Unknown: neither says anything.
    """
    if name in values:
        said = "what values says" if found is None else found.said
        return Held(said, values[name], (lambda _: True) if found is None else found.takes)
    if found is None:
        raise Unknown(name, kind)
    return found


def named(tables: Tables, values: Mapping[str, Values]) -> Tables:
    """The tables, once it is known that each name in ``values`` is a column of theirs.

    Raises:
        ValueError: one is not.
    """
    columns = {f"{table}.{column}" for table, there in tables.items() for column in there}
    if odd := sorted(values.keys() - columns):
        raise ValueError(f"values: there is no column {', '.join(odd)}")
    return tables


def texts(room: int | None = None) -> Held:
    """So many characters at most; no NUL, and no half of a pair, which no database takes."""
    characters = st.characters(codec="utf-8", exclude_characters="\0")
    full = st.just("x" * (LONG if room is None else room))
    return Held(
        "text" if room is None else f"text of {room} characters",
        st.text(characters, max_size=room) | full,
        lambda value: isinstance(value, str) and (room is None or len(value) <= room),
    )


def words(allowed: Collection[str]) -> Held:
    """One of a few."""
    return Held(
        f"one of {', '.join(sorted(allowed))}",
        st.sampled_from(sorted(allowed)),
        lambda value: value in allowed,
    )


def integers(least: int, most: int) -> Held:
    """Both bounds included."""
    return Held(
        f"an integer from {least} to {most}",
        _up_to(least, most),
        lambda value: _is(int, value) and least <= value <= most,
    )


def bits(count: int) -> Held:
    """Signed integers of so many."""
    return integers(-(2 ** (count - 1)), 2 ** (count - 1) - 1)


def decimals(digits: int | None, places: int | None) -> Held:
    """So many digits at most, so many of them behind the point: none where that is not said.

    Where nothing is said, any.
    """
    if digits is None:
        any_units = st.integers(-(10**15), 10**15).map(lambda units: Decimal(units).scaleb(-6))
        return Held("a decimal", any_units, lambda value: _is(Decimal, value))
    behind = places or 0
    most = 10**digits - 1
    return Held(
        f"a decimal of {digits} digits, {behind} behind the point",
        _up_to(-most, most).map(lambda units: Decimal(units).scaleb(-behind)),
        lambda value: _is(Decimal, value) and _whole(value.scaleb(behind), most),
    )


def lists(of: Held) -> Held:
    """Arrays."""
    return Held(
        f"an array, each {of.said}",
        st.lists(of.values, max_size=5),
        lambda value: isinstance(value, list) and all(map(of.takes, value)),
    )


BOOLEANS: Final = Held("true or false", st.booleans(), lambda value: isinstance(value, bool))
FLOATS: Final = Held(
    "a float", st.floats(allow_nan=False, allow_infinity=False), lambda value: _is(float, value)
)
UUIDS: Final = Held("a UUID", st.uuids(), lambda value: _is(UUID, value))
BYTES: Final = Held("bytes", st.binary(), lambda value: _is(bytes, value))
_FIRST, _LAST = datetime(1, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001 - made aware where it is
MOMENTS: Final = Held(
    "a moment with its zone",
    st.datetimes(_FIRST, _LAST, timezones=st.just(UTC)),
    lambda value: _is(datetime, value) and value.tzinfo is not None,
)
NAIVE: Final = Held(
    "a moment without a zone",
    st.datetimes(_FIRST, _LAST),
    lambda value: _is(datetime, value) and value.tzinfo is None,
)
DATES: Final = Held(
    "a date", st.dates(), lambda value: _is(date, value) and not isinstance(value, datetime)
)
TIMES: Final = Held("a time", st.times(), lambda value: _is(time, value))
_SCALARS: Final = (
    st.booleans()
    | st.integers(-(2**53), 2**53)
    # PostgreSQL's numbers are decimal ones: beyond this a float comes back as another.
    | st.floats(-(2.0**53), 2.0**53, width=32)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=80)
)
JSON: Final = Held(
    "JSON",
    st.recursive(
        st.none() | _SCALARS,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text("abcdé☃", max_size=8), inner)
        ),
        max_leaves=6,
    ).filter(lambda value: value is not None),  # at the top, that is null
    lambda value: isinstance(value, dict | list | str | int | float),
)


def _up_to(least: int, most: int) -> Values:
    """What has no room on the other side is at the bounds: each is often among them."""
    return st.integers(least, most) | st.sampled_from([most, least])


def _is(kind: type, value: Any) -> bool:
    """True is no integer here."""
    return isinstance(value, kind) and not isinstance(value, bool)


def _whole(units: Decimal, most: int) -> bool:
    return units == units.to_integral_value() and abs(units) <= most
