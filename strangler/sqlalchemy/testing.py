"""The tables of a service as what they can hold: see ``strangler.transfer.testing``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from strangler.transfer.testing.columns import (
    BOOLEANS,
    BYTES,
    DATES,
    FLOATS,
    JSON,
    MOMENTS,
    NAIVE,
    TIMES,
    UUIDS,
    Column,
    Held,
    Tables,
    Values,
    bits,
    chosen,
    decimals,
    lists,
    named,
    texts,
    words,
)


def metadata_tables(metadata: sa.MetaData, values: Mapping[str, Values] | None = None) -> Tables:
    """All tables of a metadata.

    Columns that the database computes are left out: no map may say them.

    Args:
        metadata: of the service's models.
        values: by ``table.column``: what it holds, where its type does not say so, or too little.

    Raises:
        ValueError: ``values`` names what is no column.
        TypeError: nobody knows what a type holds; says which.
    """
    tables = {
        table.name: {
            column.name: _column(f"{table.name}.{column.name}", column, values or {})
            for column in table.columns
            if column.computed is None
        }
        for table in metadata.tables.values()
    }
    return named(tables, values or {})


def _column(name: str, column: sa.Column[Any], values: Mapping[str, Values]) -> Column:
    held = chosen(name, _held(column.type), repr(column.type), values)
    return Column(held, null=bool(column.nullable), key=column.primary_key)


def _held(stored: Any) -> Held | None:
    while isinstance(stored, TypeDecorator) and not isinstance(stored, sa.Interval):
        stored = stored.impl_instance
    return next((held(stored) for kind, held in _KINDS if isinstance(stored, kind)), None)


def _array(stored: Any) -> Held | None:
    held = _held(stored.item_type)
    for _ in range(stored.dimensions or 1):
        held = None if held is None else lists(held)
    return held


# Some are kinds of what comes after them.
_KINDS: Final[tuple[tuple[Any, Callable[[Any], Held | None]], ...]] = (
    (sa.Boolean, lambda _: BOOLEANS),
    (sa.SmallInteger, lambda _: bits(16)),
    (sa.BigInteger, lambda _: bits(64)),
    (sa.Integer, lambda _: bits(32)),
    (sa.Float, lambda _: FLOATS),
    (sa.Numeric, lambda one: decimals(one.precision, one.scale)),
    (sa.Enum, lambda one: words(one.enums)),
    (sa.String, lambda one: texts(one.length)),
    (sa.Uuid, lambda _: UUIDS),
    (sa.Interval, lambda _: None),
    (sa.DateTime, lambda one: MOMENTS if one.timezone else NAIVE),
    (sa.Date, lambda _: DATES),
    (sa.Time, lambda _: TIMES),
    (sa.JSON, lambda _: JSON),
    (sa.LargeBinary, lambda _: BYTES),
    (sa.ARRAY, _array),
)
