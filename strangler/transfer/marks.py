"""How far a verification has come, so that another can go on from there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec

from strangler.transfer.mapping import Key, Up
from strangler.transfer.pairing import Entity, Pair, Pairing
from strangler.transfer.tables import ColumnKind

_TYPES: dict[ColumnKind, Any] = {
    ColumnKind.INTEGER: int,
    ColumnKind.BOOLEAN: bool,
    ColumnKind.DECIMAL: Decimal,
    ColumnKind.FLOAT: float,
    ColumnKind.BYTES: bytes,
    ColumnKind.UUID: UUID,
    ColumnKind.MOMENT: datetime,
    ColumnKind.NAIVE: datetime,
    ColumnKind.DATE: date,
    ColumnKind.TIME: time,
    ColumnKind.DURATION: timedelta,
}
"""Of a key's part; all others are text."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Every table before ``table``, and this one up to the key ``after``, have been compared."""

    table: str
    """The monolith's."""
    after: Key | None
    rows: int
    suspects: tuple[Entity, ...] = ()
    """What differed until there, and may have been on its way."""


def written(mark: Mark) -> dict[str, Any]:
    """The mark as JSON data."""
    built: dict[str, Any] = msgspec.to_builtins(
        {
            "table": mark.table,
            "after": mark.after,
            "rows": mark.rows,
            "suspects": mark.suspects,
        }
    )
    return built


def read(data: Any, pairing: Pairing) -> Mark | None:
    """What was written; None where it does not fit these tables."""
    tables = {pair.map.source: pair for pair in pairing.carried()}
    try:
        pair = tables[data["table"]]
        after = None if data["after"] is None else _key(pair, data["after"])
        suspects = tuple((name, _key(tables[name], key)) for name, key in data["suspects"])
        return Mark(data["table"], after, int(data["rows"]), suspects)
    except (KeyError, TypeError, ValueError):  # msgspec's own errors are ValueErrors
        return None


def _key(pair: Pair, data: Any) -> Key:
    kinds = [pair.source.columns[name].kind for name in pair.source.key]
    parts = zip(data, kinds, strict=True)
    return tuple(msgspec.convert(part, _TYPES.get(kind, str)) for part, kind in parts)


def fingerprint(pairs: Iterable[Pair]) -> str:
    """What changes as soon as the same rows might compare otherwise: tables, and what maps them."""
    said = blake2b(digest_size=8)
    for pair in pairs:
        said.update(repr((pair.source, *pair.targets.values())).encode())
        for target in pair.map.targets:
            for column, source in target.columns.items():
                said.update(repr((column, _code(source))).encode())
    return said.hexdigest()


def _code(source: str | Up) -> object:
    if isinstance(source, str):
        return source
    code = getattr(source, "__code__", None)
    return (code.co_code, code.co_names, code.co_consts) if code else type(source)
