"""Hypothesis strategies for whatever a contract may declare: any value that may cross."""

from __future__ import annotations

import dataclasses
import enum
import types
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from hypothesis import strategies as st
from msgspec import Meta

from strangler.ports.crossing import fields, plain
from strangler.ports.declare import Method
from strangler.ports.strict import MAX_EXPONENT

ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))

SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=8),
    int: st.integers(),
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bytes: st.binary(max_size=8),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False).filter(
        lambda amount: abs(amount.adjusted()) <= MAX_EXPONENT
    ),
    datetime: st.datetimes(timezones=st.just(UTC) | ZONES),
    date: st.dates(),
    time: st.times(),
    timedelta: st.timedeltas(),
    UUID: st.uuids(),
    type(None): st.none(),
}


def values(hint: Any, meta: Meta | None = None) -> st.SearchStrategy[Any]:
    """Any value of a resolved type hint that may cross a boundary."""
    if get_origin(hint) is Annotated:
        return values(get_args(hint)[0], get_args(hint)[1])
    hint = plain(hint)
    if meta is not None:
        return constrained(hint, meta)
    if hint in SCALARS:
        return SCALARS[hint]
    if isinstance(hint, type) and not get_origin(hint):
        is_enum = issubclass(hint, enum.Enum)
        return st.sampled_from(list(hint)) if is_enum else instances(hint)
    return compound(get_origin(hint), get_args(hint))


def compound(origin: Any, arguments: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if origin in {Union, types.UnionType}:
        return st.one_of([values(argument) for argument in arguments])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is dict:
        return st.dictionaries(st.text(max_size=4), values(arguments[1]), max_size=3)
    if origin is tuple and arguments[-1] is not Ellipsis:
        return st.tuples(*(values(argument) for argument in arguments))
    # A list of what may hold such lists itself stays short, or trees would grow without end.
    size = 1 if dataclasses.is_dataclass(arguments[0]) else 3
    many = st.lists(values(arguments[0]), max_size=size)
    return many.map(tuple) if origin is tuple else many


def constrained(hint: Any, meta: Meta) -> st.SearchStrategy[Any]:
    if hint is int:
        return st.integers(meta.ge, meta.le)
    if meta.pattern is not None:
        return st.from_regex(meta.pattern, fullmatch=True)
    least, most = meta.min_length or 0, meta.max_length
    if hint is str:
        return st.text(min_size=least, max_size=most)
    assert get_origin(hint) is list, f"no strategy for {hint} with {meta}"
    return st.lists(values(get_args(hint)[0]), min_size=least, max_size=min(most or 3, 3))


@cache
def instances(owner: type) -> st.SearchStrategy[Any]:
    # Deferred, because a type may contain itself.
    return st.deferred(
        lambda: st.builds(owner, **{name: values(hint) for name, hint in fields(owner).items()})
    )


def arguments(method: Method) -> st.SearchStrategy[dict[str, Any]]:
    """Any arguments of a method, by name."""
    return st.fixed_dictionaries({p.name: values(p.type) for p in method.parameters})
