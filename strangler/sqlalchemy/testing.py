"""The tables of a service as what may be stored in them: see ``strangler.transfer.testing``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import sqlalchemy as sa
from hypothesis import strategies as st
from sqlalchemy.types import TypeDecorator

from strangler.transfer.testing import (
    FLOATS,
    JSON,
    MOMENTS,
    Column,
    Tables,
    Values,
    decimals,
    integers,
    texts,
)


def metadata_tables(metadata: sa.MetaData, values: Mapping[str, Values] | None = None) -> Tables:
    """All tables of a metadata.

    Args:
        metadata: of the service's models.
        values: by ``table.column``: what it holds, where its type does not say so.

    Raises:
        TypeError: nobody knows what a type holds; says which.
    """
    return {
        table.name: {
            column.name: _column(f"{table.name}.{column.name}", column, values or {})
            for column in table.columns
        }
        for table in metadata.tables.values()
    }


def _column(name: str, column: sa.Column[Any], values: Mapping[str, Values]) -> Column:
    stored = column.type
    while isinstance(stored, TypeDecorator) and not isinstance(stored, sa.Interval):
        stored = stored.impl_instance
    return Column(
        values[name] if name in values else _values(name, stored),
        null=bool(column.nullable),
        key=column.primary_key,
        room=stored.length if isinstance(stored, sa.String) else None,
    )


def _values(name: str, stored: Any) -> Values:
    for kind, values in _KINDS:
        if isinstance(stored, kind):
            return values(stored)
    raise TypeError(f"what does a {stored!r} hold? Say it: values={{{name!r}: a strategy}}")


# Some are kinds of what comes after them.
_KINDS: Final[tuple[tuple[Any, Callable[[Any], Values]], ...]] = (
    (sa.Boolean, lambda _: st.booleans()),
    (sa.SmallInteger, lambda _: integers(16)),
    (sa.BigInteger, lambda _: integers(64)),
    (sa.Integer, lambda _: integers(32)),
    (sa.Float, lambda _: FLOATS),
    (sa.Numeric, lambda stored: decimals(stored.precision, stored.scale)),
    (sa.Enum, lambda stored: st.sampled_from(stored.enums)),
    (sa.String, lambda stored: texts(stored.length)),
    (sa.Uuid, lambda _: st.uuids()),
    (sa.DateTime, lambda _: MOMENTS),
    (sa.Date, lambda _: st.dates()),
    (sa.Time, lambda _: st.times()),
    (sa.JSON, lambda _: JSON),
    (sa.LargeBinary, lambda _: st.binary()),
    (sa.ARRAY, lambda stored: st.lists(_values("its items", stored.item_type), max_size=5)),
)
