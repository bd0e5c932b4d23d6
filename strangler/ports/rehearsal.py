"""A command that is rehearsed: executed twice by a service, and undone each time.

While the monolith owns the rows, the service executes some of its commands too, in transactions
that are always rolled back, and says what it would have written. The mark travels in the signed
token, beside the shadow's: what is done within a rehearsal is a shadow's doing, so it sends nothing
out, its queries to others are a shadow's, and its commands to others are refused.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import msgspec

from strangler.ports.inside import Inside

TIMES = 2
"""How often a command is executed: what differs from one to the other means nothing."""
LARGEST = 256 * 1024
"""Bytes of an answer's body; a larger one is not compared."""


class Written(msgspec.Struct, frozen=True):
    """One row that is another than it was; None for one that is not there.

    The values are JSON's; those of other types are text.
    """

    table: str
    key: list[Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Told(msgspec.Struct, frozen=True):
    """What a command was answered with; ``body`` is without content encoding."""

    content_type: str
    body: bytes


class Run(msgspec.Struct, frozen=True):
    """One time.

    Attributes:
        status: of the answer.
        said: the name of the error that the answer declares; "" for none.
        impossible: why the command can't be rehearsed; "" if it was.
        written: the rows that it would have changed.
        began: the number of the last batch that the mover had applied as it began.
        ended: the same, at its end.
        moment: what the database called now, which is the same for all runs; "" for nothing.
        told: what was answered; None for what can't be compared.
    """

    status: int
    said: str = ""
    impossible: str = ""
    written: list[Written] = []
    began: int = 0
    ended: int = 0
    moment: str = ""
    told: Told | None = None


class Shape(msgspec.Struct, frozen=True):
    """What there is to know of a table.

    Attributes:
        key: the columns of its primary key.
        numbered: the database makes its keys.
        references: the columns that refer to the key of another, and which.
    """

    key: list[str]
    numbered: bool = False
    references: dict[str, str] = {}


class Rehearsed(msgspec.Struct, frozen=True):
    """What a service answers."""

    runs: list[Run]
    tables: dict[str, Shape] = {}


def telling(run: Run, content_type: str, body: bytes) -> Run:
    """The same run, and what was answered, unless that is too large."""
    if len(body) > LARGEST:
        return run
    return msgspec.structs.replace(run, told=Told(content_type, body))


class Rehearsal(ABC):
    """One command, ``TIMES`` times. Whatever is written meanwhile is written by it."""

    impossible = ""
    """Why nothing can be said; the first reason stays."""

    def give_up(self, reason: str) -> None:
        """This command can't be rehearsed."""
        self.impossible = self.impossible or reason

    @abstractmethod
    def begin(self) -> None:
        """Before the first run. Never raises; gives up where none can be."""

    @abstractmethod
    def end(self, status: int, said: str = "") -> Run:
        """One run has ended: undo it, and say what it was. Never raises."""

    @abstractmethod
    def shapes(self) -> Mapping[str, Shape]:
        """The tables of which ``end`` has told."""

    @abstractmethod
    def close(self) -> None:
        """The last run has ended. Never raises."""


Make = Callable[[], Rehearsal]
"""Makes a rehearsal; nothing is connected yet."""

_under_way: ContextVar[Rehearsal | None] = ContextVar("strangler_rehearsal", default=None)

under_way = _under_way.get
"""The rehearsal that is under way here; None for none."""


class within(Inside[Rehearsal]):  # noqa: N801 - a context manager, read as a preposition
    """Whatever is done inside belongs to this rehearsal."""

    __slots__ = ()

    def __init__(self, rehearsal: Rehearsal) -> None:
        super().__init__(_under_way, rehearsal)
