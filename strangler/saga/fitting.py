"""Does what is written of a saga fit the declaration that there is now?"""

from __future__ import annotations

from typing import Any, TypeVar

from strangler.saga.declare import Saga
from strangler.saga.errors import BadData, Newer, Unfit
from strangler.saga.store import Record

D = TypeVar("D")


def fitting(saga: Saga[D], record: Record) -> D:
    """Its data, if the declaration is still the one that it was started with.

    Raises:
        Unfit: it is not.
        Newer: it is an older one, which would lose some of them.
    """
    steps = tuple(step.name for step in saga.steps)
    if record.steps != steps:
        raise Unfit(
            f"its steps were {', '.join(record.steps)}, and {saga.name} has "
            f"{', '.join(steps)}: declare other steps under another name"
        )
    data = read(saga, record.data)
    unknown = saga.written.unknown(record.data)
    if unknown:
        raise Newer(saga.name, unknown)
    return data


def read(saga: Saga[D], text: str) -> D:
    """The data that is written, as far as it is known: to look at, not to go on with.

    Raises:
        Unfit: it can't be read.
    """
    try:
        return saga.written.decode(text)
    except BadData as error:
        raise Unfit(f"its data can't be read: {error}") from error


def same(saga: Saga[Any], given: str, text: str) -> bool:
    """Do both say the same, whatever of it was written by an older declaration?"""
    try:
        return saga.written.encode(saga.written.decode(given)) == text
    except BadData:
        return given == text
