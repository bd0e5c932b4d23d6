"""What a transaction says: rows of the outbox, beside the rows that it changes.

The columns are called as Debezium's EventRouter wants them, so that Debezium could take over from
the relay unchanged. Each event takes the next version of its aggregate, and the row that counts
versions stays locked until the transaction ends: so whatever is visible of an aggregate is the
whole of it up to there, and ``position`` orders it like ``version``.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from strangler.events.declare import declared
from strangler.events.envelope import Unwritable, identifier, partition, payload
from strangler.ports.answer import Refusal
from strangler.ports.context import current

OUTBOX: Final = "strangler_outbox"
PARKED: Final = "strangler_outbox_parked"
RELAY: Final = "strangler_relay"
RELAY_PROCESS: Final = "strangler_relay_process"
BACKLOG: Final = "strangler_backlog"
GONE: Final = f'SELECT "position" - waiting FROM {BACKLOG} WHERE id = 1'  # noqa: S608 - ours

COLUMNS: Final = (
    "id", "aggregatetype", "aggregateid", "version", "type", "payload", "schema", "capability",
    "partition", "trace", "at",
)  # fmt: skip
"""Of an outbox, without ``position``, which numbers its rows."""

LIMIT: Final = 1_000_000
"""Events that may wait to be published, or in a queue of the http bus, before the next one is
refused."""
ALARM: Final = 0.1
"""The part of the limit above which it is an error that somebody has to see to."""
LONGEST_KEY: Final = 500
"""Bytes of an aggregate's key: it is a part of indexes, and of every bus's routing."""
CHUNK: Final = 1000
"""Events of one statement."""
_SAY_AGAIN: Final = 60.0

_log = logging.getLogger("strangler.events")

Execute = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
"""Run one statement within the transaction; gives its rows."""


class NotInTransaction(RuntimeError):
    """An event is said by the transaction that it speaks of, and none is open."""


class OutboxFull(Refusal):
    """Too many events wait: nothing is done until a relay, or who is told, has caught up."""

    def __init__(self, waiting: int, limit: int) -> None:
        super().__init__(
            503,
            "OutboxFull",
            f"{waiting:,} events wait to be published or handed over, and {limit:,} may: "
            "strangler events status says why",
        )
        self.headers = {"Retry-After": "5"}
        self.waiting = waiting
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Published:
    """An event that was said; it is told to others once the transaction has been committed."""

    id: UUID
    version: int


class Said(NamedTuple):
    """A row of the outbox, but for its position and version."""

    id: UUID
    aggregatetype: str
    aggregateid: str
    type: str
    payload: str
    schema: int
    capability: str
    partition: int
    trace: str | None
    at: datetime

    @property
    def aggregate(self) -> str:
        """What versions are counted of, which is also what decides the partition."""
        return f"{self.aggregatetype}/{self.aggregateid}"


def said(event: object) -> Said:
    """What the outbox will hold of an event, said by the call that is being served.

    Raises:
        UnknownEvent: it is none.
        Unwritable: it holds what does not fit on a wire, or its key does not.
    """
    kind = declared(type(event))
    key, trace = kind.key_of(event), current().trace
    data = payload(event).decode()
    aggregate = kind.aggregate
    if not key or "\x00" in key or len(key.encode("utf-8", "surrogatepass")) > LONGEST_KEY:
        raise Unwritable(
            f"{kind.name}: a key has 1 to {LONGEST_KEY} bytes, and no NUL; this is {key[:80]!r}"
        )
    return Said(
        identifier(),
        aggregate,
        key,
        kind.name,
        data,
        kind.schema,
        kind.capability,
        partition(f"{aggregate}/{key}"),
        trace.header if trace is not None else None,
        datetime.now(UTC),
    )


class Dialect(ABC):
    """How one kind of database is spoken to. ``mark`` stands for a value in its statements."""

    def __init__(self, versions: str, *, mark: str) -> None:
        self._versions = '"{}"'.format(versions.replace('"', '""'))
        self._mark = mark

    @abstractmethod
    def write(self, execute: Execute, events: Sequence[Said]) -> tuple[list[Published], int]:
        """Insert these; gives them with their versions, and the last position."""


class Outbox:
    """Writes events of one table of versions in one database; both publishers are made of it."""

    def __init__(self, dialect: Dialect, *, limit: int | None = LIMIT) -> None:
        """Without a ``limit`` nothing is refused: as where Debezium reads, and nobody counts."""
        self._dialect = dialect
        self._limit = limit
        self._gone = 0
        """Positions that had left the outbox when this was last looked up."""

    def write(self, execute: Execute, events: Sequence[Said]) -> list[Published]:
        """Say these, in this order.

        Raises:
            OutboxFull: too many wait; the transaction has to be undone.
        """
        written: list[Published] = []
        for start in range(0, len(events), CHUNK):
            published, position = self._dialect.write(execute, events[start : start + CHUNK])
            if self._limit is not None:
                self._check(execute, position, self._limit)
            written += published
        return written

    def _check(self, execute: Execute, position: int, limit: int) -> None:
        """Refuse, or alarm, if too many wait.

        Those that have left become more, so by an old number of them too many seem to wait, and
        what a relay has counted is looked up only then. (A replay of parked events, which go back
        to their old positions, is seen that much later.)
        """
        if not 0 < position - self._gone <= limit * ALARM:
            found = execute(GONE, [])
            self._gone = found[0][0] if found else 0
        check(position - self._gone, limit)


def check(waiting: int, limit: int) -> None:
    """Refuse, or alarm, by how many events wait.

    Raises:
        OutboxFull: too many.
    """
    if waiting > limit:
        raise OutboxFull(waiting, limit)
    if waiting > limit * ALARM:
        _alarm(waiting, limit)


_alarmed = -_SAY_AGAIN


def _alarm(waiting: int, limit: int) -> None:
    global _alarmed  # noqa: PLW0603 - once a minute in each process
    now = time.monotonic()
    if now - _alarmed >= _SAY_AGAIN:
        _alarmed = now
        _log.error(
            "%s events wait to be published or handed over; at %s no more are taken: "
            "strangler events status says why",
            f"{waiting:,}",
            f"{limit:,}",
        )


def counts(events: Sequence[Said]) -> Counter[str]:
    """How many there are of each aggregate, in an order that is everybody's: nobody deadlocks."""
    found = Counter(one.aggregate for one in events)
    return Counter({aggregate: found[aggregate] for aggregate in sorted(found)})
