"""PostgreSQL's types and Python's: which kind a column is, and how its values come and go."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg.adapt import Buffer, Loader
from psycopg.types.datetime import IntervalLoader
from psycopg.types.json import Json

from strangler.transfer.tables import ColumnKind

_KINDS = {
    "int2": ColumnKind.INTEGER,
    "int4": ColumnKind.INTEGER,
    "int8": ColumnKind.INTEGER,
    "text": ColumnKind.TEXT,
    "varchar": ColumnKind.TEXT,
    "bpchar": ColumnKind.TEXT,
    "bool": ColumnKind.BOOLEAN,
    "numeric": ColumnKind.DECIMAL,
    "float4": ColumnKind.FLOAT,
    "float8": ColumnKind.FLOAT,
    "bytea": ColumnKind.BYTES,
    "uuid": ColumnKind.UUID,
    "timestamptz": ColumnKind.MOMENT,
    "timestamp": ColumnKind.NAIVE,
    "date": ColumnKind.DATE,
    "time": ColumnKind.TIME,
    "interval": ColumnKind.DURATION,
    "json": ColumnKind.JSON,
    "jsonb": ColumnKind.JSON,
}


def kind_of(base: str) -> ColumnKind:
    """The kind of a type of pg_catalog, by its own name there; an array's begins with ``_``."""
    if base.startswith("_") and _KINDS.get(base[1:], ColumnKind.JSON) is not ColumnKind.JSON:
        return ColumnKind.ARRAY
    return _KINDS.get(base, ColumnKind.OTHER)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


_FROM_TEXT: dict[ColumnKind, Callable[[str], Any]] = {
    ColumnKind.INTEGER: int,
    ColumnKind.TEXT: str,
    ColumnKind.OTHER: str,
    ColumnKind.BOOLEAN: "true".__eq__,
    ColumnKind.DECIMAL: Decimal,
    ColumnKind.FLOAT: float,
    ColumnKind.BYTES: lambda text: bytes.fromhex(text.removeprefix("\\x")),
    ColumnKind.UUID: UUID,
    ColumnKind.MOMENT: _moment,
    ColumnKind.NAIVE: datetime.fromisoformat,
    ColumnKind.DATE: date.fromisoformat,
    ColumnKind.TIME: time.fromisoformat,
}

KEY_KINDS = frozenset(_FROM_TEXT)
"""What a primary key may be made of."""

KEY_SETTINGS: dict[ColumnKind, tuple[str, str]] = {
    ColumnKind.MOMENT: ("TimeZone", "UTC"),
    ColumnKind.NAIVE: ("DateStyle", "ISO"),
    ColumnKind.DATE: ("DateStyle", "ISO"),
    ColumnKind.BYTES: ("bytea_output", "hex"),
    ColumnKind.FLOAT: ("extra_float_digits", "1"),
}
"""What a trigger must set, lest the writer's own settings decide how a key is written."""


def key_reader(kinds: list[ColumnKind]) -> Callable[[str], tuple[Any, ...]]:
    """What makes a key of the journal's text, which is a JSON array of texts."""
    readers = [_FROM_TEXT[kind] for kind in kinds]

    def read(text: str) -> tuple[Any, ...]:
        return tuple(reader(part) for reader, part in zip(readers, json.loads(text), strict=True))

    return read


def writer_of(kind: ColumnKind) -> Callable[[Any], Any] | None:
    """What a value needs before psycopg gets it; None where that is nothing."""
    return _json if kind is ColumnKind.JSON else None


def _json(value: Any) -> Any:
    return None if value is None else Json(value)


class _Moment(Loader):
    """Moments and dates beyond Python's (``infinity``, before Christ) stay text, and go back so."""

    read: Callable[[str], Any] = datetime.fromisoformat

    def load(self, data: Buffer) -> Any:
        text = bytes(data).decode()
        try:
            return type(self).read(text)
        except ValueError:
            return text


class _Date(_Moment):
    read = date.fromisoformat


class _Interval(IntervalLoader):
    """A month is no number of days: such an interval stays text."""

    def load(self, data: Buffer) -> timedelta:
        text = bytes(data).decode()
        if "mon" in text or "year" in text:
            return text  # type: ignore[return-value]  # the same escape as above
        return super().load(data)


def register(connection: psycopg.Connection[Any]) -> None:
    """Let this connection read values as the seam wants them."""
    for name in ("timestamptz", "timestamp"):
        connection.adapters.register_loader(name, _Moment)
    connection.adapters.register_loader("date", _Date)
    connection.adapters.register_loader("interval", _Interval)
