"""What a consumer remembers in its own database: what it has taken, and what it has set aside.

Both tables are the capability's, beside its other rows, and travel with them: whoever owns the rows
knows what has been done about which event. Nobody else writes there, so the tables say only:

* ``inbox``: this event has been taken. It has been handled, or set aside, or dropped since.
* ``parked``: it is set aside, with the later ones of its key, in order. The first of a key is due
  at a moment, or given up (never due); those behind it wait for it.

What is written and read there is in ``strangler.events.book``.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from strangler.events.envelope import Envelope

EVENT: Final = 64
"""Characters that the id of an event may have here; of a longer one its digest is kept."""
KEY: Final = 255
"""The same of a partition key."""
REASON: Final = 2000
"""Characters that are kept of what went wrong."""


@dataclass(frozen=True, slots=True)
class Parked:
    """One event that is set aside.

    Attributes:
        event: its id.
        key: its partition key; those of one key wait for each other.
        version: its place among them.
        type: its type.
        envelope: the event itself, as JSON.
        reason: what went wrong; "" for one that waits behind another.
        attempts: how often it has been tried.
        due: when it is tried again; None for one that waits, or has been given up.
        at: since when it is set aside.
    """

    event: str
    key: str
    version: int
    type: str
    envelope: str
    reason: str
    attempts: int
    due: datetime | None
    at: datetime


def name(event: Envelope) -> str:
    """By what an event is remembered: its id, if that can be stored."""
    return _short(event.id, EVENT)


def names(said: str) -> list[str]:
    """By what an event may be remembered of which somebody has said the id; UUIDs in any form."""
    found = {_short(said, EVENT)}
    with suppress(ValueError):
        found.add(str(UUID(said)))
    return sorted(found)


def key(event: Envelope) -> str:
    """By what it is kept in order: its partition key, if that can be stored."""
    return _short(event.partitionkey, KEY)


def _short(text: str, longest: int) -> str:
    if 0 < len(text) <= longest and "\0" not in text:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return digest if longest <= len(digest) else f"{plain(text)[: longest - 65]}#{digest}"


def plain(text: str) -> str:
    """As any database can store it."""
    return text.replace("\0", "�").encode("utf-8", "replace").decode()


def version(event: Envelope) -> int:
    """Its place among those of its key, if it says one."""
    try:
        return min(max(event.version, 0), 2**63 - 1)
    except ValueError:
        return 0
