"""Waiting for rows: what the monolith has just read may still be on its way to the service."""

from __future__ import annotations

import time

from strangler.django.doors import known
from strangler.transfer.errors import TransferError

PATIENCE = 3.0
"""Seconds; a comparison is in nobody's way, but the next ones wait behind it."""
_PAUSE = 0.02


def settle(capability: str) -> None:
    """Wait until what is dirty now has been applied, or for ``PATIENCE``. Never raises."""
    door = known.door(capability)
    if door is None:
        return
    until = time.monotonic() + PATIENCE
    try:
        position = door.position()
        while not door.applied(position) and time.monotonic() < until:
            time.sleep(_PAUSE)
    except TransferError:
        return  # nobody can say; the comparison says what it sees
