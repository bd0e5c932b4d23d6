"""What each side notes of every event that it handles, in the transaction that handles it.

The table does not travel: so each side's says what that side has done.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from uuid import UUID

from contracts.ordering import OrderCancelled, OrderConfirmed
from strangler.events import consumer
from strangler.events.subscribe import Handlers

TABLE = "CREATE TABLE witness (placed text, kind text, at double precision)"
POISON = "poison"
"""While there is a file of this name, nothing can be handled."""
PAUSE = timedelta(seconds=1)
"""Until what could not be sent is tried again: nobody wants to wait for minutes here."""
Note = Callable[[str, str, float], None]


def hurried(delivering: ModuleType) -> None:
    """Wait for less."""
    vars(delivering).update(pause=lambda _attempts: PAUSE)


def witnessed(handlers: Handlers, note: Note) -> None:
    """Have each event noted, after whatever else is done about it."""

    @handlers.on
    def confirmed(event: OrderConfirmed) -> None:
        said(event.order, "confirmed")

    @handlers.on
    def cancelled(event: OrderCancelled) -> None:
        said(event.order, "cancelled")

    def said(order: UUID, kind: str) -> None:
        if Path(os.environ["VAR"], POISON).exists():
            vars(consumer).update(PAUSES=(3600.0,) * len(consumer.PAUSES))  # until it is replayed
            raise ValueError("poison")
        note(str(order), kind, time.time())
