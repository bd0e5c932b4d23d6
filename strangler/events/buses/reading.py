"""What all subscriptions do with what a bus gives them."""

from __future__ import annotations

import logging

from strangler.events import envelope
from strangler.events.envelope import Envelope, Unreadable

_log = logging.getLogger("strangler.events")


def read(body: bytes | str, *, consumer: str, place: str) -> Envelope | None:
    """The event in a body; None for what is none of ours: it is told of, and left behind.

    Nobody could say whose later events it would have to hold up.
    """
    try:
        return envelope.decode(body)
    except Unreadable as error:
        _log.error("%s passes over what it can't read, at %s: %s", consumer, place, error)
        return None
