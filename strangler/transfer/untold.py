"""What a side has still to tell: events of a capability on their way to whoever listens.

They wait in the outbox of whoever said them, or, where the bus is in that database too, in the
queues. An owner that speaks while a former one is still heard could be understood in the wrong
order. The tables are the events' own (``strangler.events.outbox``, ``buses.database``); where none
are there, nobody has said anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

PARKED: Final = "parked"
"""What no bus takes; an operator has to see to it."""
FOR: Final = "for "
"""So begins what waits for a consumer, in its queue."""
MANY: Final = 1000
"""So many are counted; there may be more."""

_SOME: Final = (
    "SELECT {what}, count(*) FROM (SELECT * FROM {table} WHERE {whose} LIMIT {many}) AS t{grouped}"
)


def _some(what: str, table: str, whose: str, *, grouped: str = "") -> str:
    return _SOME.format(what=what, table=table, whose=whose, many=MANY, grouped=grouped)


_SAID: Final = " UNION ALL ".join(
    (
        _some("'to be published'", "strangler_outbox", "capability = ?"),
        _some(f"'{PARKED}'", "strangler_outbox_parked", "capability = ? AND dropped = ''"),
    )
)
_QUEUED: Final = _some(
    f"'{FOR}' || consumer", "strangler_queue", "topic = ?", grouped=" GROUP BY consumer"
)
_ALL: Final = f"{_SAID} UNION ALL {_QUEUED}"

Ask = Callable[[str], Sequence[tuple[Any, ...]] | None]
"""The rows of a query whose every value, ``?``, is the capability; None where a table is missing.
"""


def untold(ask: Ask) -> dict[str, int]:
    """How many events wait, by what for: the relay, an operator, a consumer. Empty if none do.

    All of it at one moment, or what is put back from one place to another might be missed in both.
    Where there are no queues, the outbox is asked first: an event goes from there to a queue.
    """
    found = ask(_ALL)
    if found is None:
        found = [*(ask(_SAID) or ()), *(ask(_QUEUED) or ())]
    return {str(what): int(count) for what, count in found if count}


def waiting(untold: Mapping[str, int]) -> str:
    """What of the old owner's is not told yet, and who is to be looked after."""
    said = ", ".join(
        f"{count}{' or more' if count >= MANY else ''} {what}" for what, count in untold.items()
    )
    return (
        f"events are still to be told: {said}; a relay has to run here, and whoever listens: "
        "`strangler events status`"
    )
