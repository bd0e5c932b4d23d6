"""What a side has still to tell: events of a capability on their way to whoever listens.

They wait in the outbox of whoever said them, or, where the bus is in that database too, in the
queues. An owner that speaks while a former one is still heard could be understood in the wrong
order. The tables are the events' own (``strangler.events.outbox``, ``buses.database``); where none
are there, nobody has said anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

PARKED: Final = "parked"
"""What no bus takes; an operator has to see to it."""
MANY: Final = 1000
"""So many are counted; there may be more."""

_SOME: Final = (
    "SELECT {what}, count(*) FROM (SELECT * FROM {table} WHERE {whose} LIMIT {many}) AS t"
)


def _some(what: str, table: str, whose: str) -> str:
    return _SOME.format(what=what, table=table, whose=whose, many=MANY)


_QUERIES: Final = (
    _some("'to be published'", "strangler_outbox", "capability = ?"),
    _some(f"'{PARKED}'", "strangler_outbox_parked", "capability = ? AND dropped = ''"),
    _some("'for ' || consumer", "strangler_queue", "topic = ?") + " GROUP BY consumer",
)

Ask = Callable[[str], Sequence[tuple[Any, ...]]]
"""The rows of a query whose one value, ``?``, is the capability; none where a table is missing."""


def untold(ask: Ask) -> dict[str, int]:
    """How many events wait, by what for: the relay, an operator, a consumer. Empty if none do."""
    return {str(what): int(count) for query in _QUERIES for what, count in ask(query) if count}
