"""Values as SQLite keeps them, and as Python has them.

SQLite keeps integers, reals, texts and blobs; what a column means by them is in its declared type,
as Django and SQLAlchemy write it. A value that is not what its type says is given as it is stored.

Limits. A decimal is kept exactly if it is an integer of 64 bits, or has 15 significant digits;
some of 16 and 17 are, too. One that is not is refused, never rounded. JSON's ``null`` and NULL are
both None, which is written as NULL where that is allowed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from types import NoneType
from typing import Any
from uuid import UUID

from strangler.ladder import Arm
from strangler.transfer.errors import Unwritable
from strangler.transfer.mapping import Key
from strangler.transfer.tables import Column, ColumnKind

_INT64 = range(-(2**63), 2**63)
_KINDS: Sequence[tuple[str, ColumnKind]] = (
    (r"bool(ean)?", ColumnKind.BOOLEAN),
    (r"(numeric|decimal)\b.*", ColumnKind.DECIMAL),
    (r"char\(32\)|uuid", ColumnKind.UUID),
    (r"datetime\b.*|timestamp\b.*", ColumnKind.MOMENT),
    (r"date", ColumnKind.DATE),
    (r"time\b.*", ColumnKind.TIME),
    (r"jsonb?", ColumnKind.JSON),
    (r"blob|bytea|(var)?binary\b.*", ColumnKind.BYTES),
    (r"real|float\b.*|double\b.*", ColumnKind.FLOAT),
    (r".*int(eger)?\b.*|.*serial", ColumnKind.INTEGER),
    (r".*(char|text|clob|string).*", ColumnKind.TEXT),
)


def kind_of(declared: str) -> ColumnKind:
    """What a declared type means."""
    for pattern, kind in _KINDS:
        if re.fullmatch(pattern, declared, re.IGNORECASE):
            return kind
    return ColumnKind.OTHER


def given(kind: ColumnKind) -> Callable[[Any], Any]:
    """What Python has, from what is stored."""
    reading = _GIVEN.get(kind)
    if reading is None:
        return _as_it_is

    def read(value: Any) -> Any:
        if value is None:
            return None
        try:
            return reading(value)
        except (ValueError, TypeError, InvalidOperation):
            return value

    return read


def stored(column: Column, arm: Arm) -> Callable[[Any], Any]:
    """What is to be stored, from what Python has.

    The arm says in whose words: Django leaves out the microseconds that are none, and SQLAlchemy
    writes them.

    Raises (the function):
        Unwritable: SQLite can't keep it.
    """
    fraction = "auto" if arm is Arm.MONOLITH else "microseconds"

    def write(value: Any) -> Any:
        if column.kind is ColumnKind.JSON and (value is not None or not column.nullable):
            return _text_of(value)
        for types, storing in _STORED:
            if isinstance(value, types):
                return storing(value, fraction)
        raise Unwritable(
            f"{column.name} ({column.type}): SQLite can't keep a {type(value).__name__}"
        )

    return write


def key_text(key: Key, columns: Sequence[Column], arm: Arm) -> str:
    """A key as the journal has it: what the triggers' json_array writes."""
    values = [stored(column, arm)(value) for column, value in zip(columns, key, strict=True)]
    plain = [value.hex().upper() if isinstance(value, bytes) else value for value in values]
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))


def key_of(text: str, columns: Sequence[Column]) -> Key:
    """The key that the journal has written down."""
    found = []
    for column, value in zip(columns, json.loads(text), strict=True):
        if column.kind is ColumnKind.BYTES:
            found.append(bytes.fromhex(value))
        else:
            found.append(given(column.kind)(value))
    return tuple(found)


def now() -> str:
    """This moment, as it is stored."""
    return _moment(datetime.now(UTC)).isoformat(" ", "microseconds")


def moment(text: str) -> datetime:
    """An aware datetime, from what is stored.

    Raises:
        ValueError: it is none.
    """
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _moment(value: datetime) -> datetime:
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)


def _decimal(value: Decimal) -> int | float | str:
    if not value.is_finite():
        raise Unwritable(f"{value}: SQLite has no such number")
    if value == value.to_integral_value() and int(value) in _INT64:
        return int(value)
    # Not as text: SQLite's own reading of more than 15 digits may be off by one.
    kept = float(value)
    if Decimal(repr(kept)) != value:
        raise Unwritable(f"{value}: SQLite keeps 15 digits of a number, and this has more")
    return kept


def _text_of(value: object) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Unwritable(f"it is no JSON: {error}") from error


def _as_it_is(value: Any) -> Any:
    return value


def _given_decimal(value: Any) -> Decimal:
    # The shortest decimal that is this float; without an exponent, as anybody would write it.
    found = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return Decimal(f"{found:f}") if found.is_finite() else found


def _given_boolean(value: Any) -> bool:
    if value not in (0, 1):
        raise ValueError(value)
    return bool(value)


def _given_uuid(value: Any) -> UUID:
    found = UUID(value)
    if value not in (found.hex, str(found)):
        raise ValueError(value)
    return found


_GIVEN: dict[ColumnKind, Callable[[Any], Any]] = {
    ColumnKind.BOOLEAN: _given_boolean,
    ColumnKind.DECIMAL: _given_decimal,
    ColumnKind.FLOAT: float,
    ColumnKind.UUID: _given_uuid,
    ColumnKind.MOMENT: moment,
    ColumnKind.DATE: date.fromisoformat,
    ColumnKind.TIME: time.fromisoformat,
    ColumnKind.JSON: json.loads,
}

# A bool is an int, and a datetime a date: the narrower comes first.
_STORED: Sequence[tuple[Any, Callable[[Any, str], Any]]] = (
    (bool, lambda value, _: int(value)),
    ((int, str, bytes, float, NoneType), lambda value, _: value),
    (UUID, lambda value, _: value.hex),
    (Decimal, lambda value, _: _decimal(value)),
    (datetime, lambda value, fraction: _moment(value).isoformat(" ", fraction)),
    (time, lambda value, fraction: value.isoformat(fraction)),
    (date, lambda value, _: value.isoformat()),
    ((memoryview, bytearray), lambda value, _: bytes(value)),
)
