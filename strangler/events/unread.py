"""What waits in the http bus's queues, and nobody reads it there any more.

That is so once a subscription has been taken back, or another bus carries: no pusher hands it over,
nor does it hold up what the same consumer is still told.
An operator says what becomes of it, since a deployment may be under way that will read it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import NamedTuple

from strangler.events.stores import Queued, Store
from strangler.manifest import Manifest

_log = logging.getLogger("strangler.events")


class Unread(NamedTuple):
    """So many events of a type wait for a consumer; ``why`` nobody brings them."""

    consumer: str
    type: str
    events: int
    why: str


def unread(queued: Iterable[Queued], manifest: Manifest) -> list[Unread]:
    """Which of these nobody reads."""
    return [Unread(*one, why) for one in queued if (why := _why(one, manifest))]


class QueuePlace:
    """What nobody reads of one database's queues."""

    def __init__(self, name: str, connect: Callable[[], Store], manifest: Manifest) -> None:
        self.name = name
        self._connect = connect
        self._manifest = manifest

    def drop(self, consumer: str, *, who: str, reason: str) -> int | None:
        """Give up what waits for a consumer, and say how many events. None: nothing does."""
        with closing(self._connect()) as store:
            lost = [
                one for one in unread(store.queued(), self._manifest) if one.consumer == consumer
            ]
            for one in lost:
                _log.warning(
                    "%s drops %d of %s for %s: %s", who, one.events, one.type, consumer, reason
                )
            dropped = sum(store.unqueue(consumer, one.type) for one in lost)
        return dropped if lost else None


def heard(consumer: str, speaker: str, manifest: Manifest) -> bool:
    """Does anybody bring to a consumer what this capability says, over the http bus?"""
    known = manifest.capabilities.get(consumer)
    kinds = known.subscribes if known is not None else ()
    return manifest.events.pushed and any(kind.startswith(f"{speaker}.") for kind in kinds)


def _why(one: Queued, manifest: Manifest) -> str:
    if one.consumer not in manifest.subscribers(one.type):
        return f"{one.consumer} does not subscribe to {one.type or 'what can not be read'}"
    if not manifest.events.pushed:
        return "the bus is another one; a relay with STRANGLER_BUS=http hands them over"
    return ""
