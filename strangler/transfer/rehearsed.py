"""What both sides of a rehearsed command say of their rows, and by which name they know it.

A command is executed by the monolith, and rehearsed by the service in a transaction that is always
rolled back. The journal's entries of the one bear the rehearsal's name behind the writer's; the
mover says what it has delivered of them; the service says what it would have written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from types import NoneType
from typing import Any

import msgspec

from strangler.ports.rehearsal import Written
from strangler.transfer.mapping import Key, Row

_STAMP = re.compile(r" rehearsed:([0-9a-f]+)$")


class Delivery(msgspec.Struct, frozen=True):
    """What one batch has delivered of one rehearsed command.

    Attributes:
        written: the rows, in the columns that the maps name.
        before: the number of the last batch before it.
        others: that of the last batch, up to this one, in which anybody else had written.
        highest: the highest number in the journal, as far as anybody else had written.
    """

    written: list[Written]
    before: int
    others: int
    highest: int


def stamped(writer: str, rehearsal: str) -> str:
    """The writer's name for the journal."""
    return f"{writer} rehearsed:{rehearsal}"


def unstamped(writer: str) -> tuple[str, str]:
    """The writer's own name, and the rehearsal; "" for none."""
    found = _STAMP.search(writer)
    return (writer, "") if found is None else (writer[: found.start()], found[1])


def changed(table: str, before: Mapping[Key, Row], after: Mapping[Key, Row]) -> Sequence[Written]:
    """The rows that are not what they were."""
    found = []
    for key in dict.fromkeys([*before, *after]):
        was, now = before.get(key), after.get(key)
        if was != now:
            found.append(
                Written(
                    table,
                    [plain(part) for part in key],
                    None if was is None else {name: plain(value) for name, value in was.items()},
                    None if now is None else {name: plain(value) for name, value in now.items()},
                )
            )
    return found


def plain(value: Any) -> Any:
    """A column's value as JSON has it, the same for the same value."""
    for types, writing in _PLAIN:
        if isinstance(value, types):
            return writing(value)
    return str(value)


def _decimal(value: Decimal) -> str:
    return f"{value.normalize():f}" if value.is_finite() else str(value)


def _moment(value: datetime) -> str:
    return (value.astimezone(UTC) if value.tzinfo else value).isoformat()


# A datetime is a date: the narrower comes first.
_PLAIN: Sequence[tuple[Any, Callable[[Any], Any]]] = (
    ((str, bool, int, float, NoneType), lambda value: value),
    (Decimal, _decimal),
    (datetime, _moment),
    ((bytes, bytearray, memoryview), lambda value: bytes(value).hex()),
    (dict, lambda value: {str(name): plain(one) for name, one in value.items()}),
    ((list, tuple), lambda value: [plain(one) for one in value]),
)
