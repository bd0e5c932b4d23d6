"""Has what a service has written come to the monolith? Asked before the monolith reads it instead.

Only the mover sees both sides: it is asked, and answers within hundredths of a second as long as it
runs and both databases are there. Where it does not, nobody knows, and that is the answer.
"""

from __future__ import annotations

import logging
import time

from strangler.django.doors import known
from strangler.transfer.errors import TransferError
from strangler.transfer.gate import LAG

PATIENCE = 2 * LAG
"""Seconds that a query waits for the rows: longer than it takes them while all is well."""
_PAUSE = 0.005

_log = logging.getLogger("strangler.edge")


def arrived(name: str, deadline: float | None = None) -> bool:
    """Has all come here that the service had committed by now? Waits for it. Never raises.

    Args:
        name: the capability.
        deadline: on the clock of ``time.monotonic``; None for no other than our own patience.
    """
    door = known.door(name)
    if door is None:
        return True
    until = time.monotonic() + PATIENCE
    if deadline is not None:
        until = min(until, deadline)
    try:
        number = door.ask()
        while not door.answered(number):
            if time.monotonic() + _PAUSE >= until:
                _log.warning("%s: its rows may not have come back yet: nobody says so", name)
                return False
            time.sleep(_PAUSE)
    except TransferError as error:
        _log.error("%s: whether its rows have come back can't be said: %s", name, error)
        return False
    return True
