"""Receiving from a queue: by lease one process at a time reads a partition.

What was received stays in the queue until it is acknowledged, and in memory: it comes again first,
and the other partitions still have their turn. What waits of a type that the consumer is told no
more stays there, until somebody drops it, and is in nobody's way.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Final, cast

from strangler.events.buses import BusError, Delivery, Subscription
from strangler.events.buses.database.queue import Queue, QueueLeases, Slot, Waiting
from strangler.events.buses.reading import read
from strangler.events.buses.shares import Share
from strangler.events.envelope import PARTITIONS

NAP: Final = (0.01, 0.1)
"""Seconds between two looks at an empty queue: at first, and later."""
IDLE: Final = 5.0
"""So many times as long as a look took that found nothing, the next one waits: it may have passed
over much that this consumer is told no more."""


class DatabaseSubscription(Subscription):
    """A consumer's part of what a database says."""

    def __init__(
        self,
        queue: Queue,
        consumer: str,
        topics: Collection[str],
        *,
        lease: float,
        told: Callable[[str], bool] | None = None,
    ) -> None:
        """See that the queue is there. ``told`` says of which types; by default of all.

        Raises:
            BusAway, BadBus: see each of them.
        """
        self._queue = queue
        self._consumer = consumer
        self._topics = sorted(set(topics))
        self._told = told or _whatever
        self._others: set[str] = set()
        leases = QueueLeases(queue, consumer, secrets.token_hex(8), lease)
        self._share = Share(leases, [str(part) for part in range(PARTITIONS)])
        self._kept: dict[int, Delivery] = {}
        self._turn = 0
        queue.some(consumer)

    def receive(self, limit: int, wait: float) -> Sequence[Delivery]:
        """The oldest events that are not acknowledged, in order for each aggregate.

        Raises:
            BusAway: try again later.
        """
        until = time.monotonic() + wait
        nap, longest = NAP
        try:
            while True:
                if self._share.due <= 0:
                    self._look()
                began = time.monotonic()
                found = self._some(limit)
                ended = time.monotonic()
                left = until - ended
                if found or left <= 0:
                    return found
                time.sleep(min(max(nap, IDLE * (ended - began)), left))
                nap = min(nap * 1.5, longest)
        except BusError:
            self._forget()
            raise

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Never deliver these to this consumer again.

        Raises:
            BusAway: they may be delivered again.
        """
        positions = [cast(int, delivery.mark) for delivery in deliveries]
        if not positions:
            return
        try:
            self._queue.delete(positions)
        except BusError:
            self._forget()
            raise
        for position in positions:
            self._kept.pop(position, None)

    def backlog(self) -> int:
        """How many events this consumer has not acknowledged.

        Raises:
            BusAway: nobody can say.
        """
        waiting = self._queue.count(self._consumer, self._topics)
        return sum(count for type_, count in waiting.items() if self._told(type_))

    def close(self) -> None:
        """Let others of the same consumer go on at once."""
        with suppress(BusError):  # then they wait for the lease
            self._share.quit()
        self._kept.clear()
        self._queue.close()

    def _look(self) -> None:
        taken = self._share.look()
        ours = {int(name) for name in self._share.held if name not in taken}
        self._kept = {
            position: delivery
            for position, delivery in self._kept.items()
            if delivery.event.partition in ours
        }

    def _some(self, limit: int) -> list[Delivery]:
        found = self._again(limit)
        if len(found) == limit or not self._share.held or not self._queue.some(self._consumer):
            return found
        slots = [Slot(topic, int(part)) for part in self._share.held for topic in self._topics]
        self._turn = (self._turn + 1) % max(len(slots), 1)
        slots = slots[self._turn :] + slots[: self._turn]
        for delivery in self._read(slots, limit, room=limit - len(found)):
            self._kept[cast(int, delivery.mark)] = delivery
            found.append(delivery)
        return found

    def _read(self, slots: Sequence[Slot], limit: int, *, room: int) -> list[Delivery]:
        """The oldest rows that are not kept already, of whatever this consumer is told.

        The others are known once they have been seen: then it is read anew, without them.
        """
        while True:
            rows = self._queue.read(self._consumer, slots, limit, but=sorted(self._others))
            fresh = [row for row in rows if row.position not in self._kept]
            found = self._opened(fresh[:room])
            others = {one.event.type for one in found if not self._told(one.event.type)}
            if others <= self._others:
                return [one for one in found if one.event.type not in others]
            self._others |= others

    def _opened(self, rows: Sequence[Waiting]) -> list[Delivery]:
        found, passed = [], []
        for position, slot, text in rows:
            place = f"the queue of {slot.topic}, {position}"
            event = read(text, consumer=self._consumer, place=place)
            if event is None:
                passed.append(position)
            else:
                found.append(Delivery(event, position))
        if passed:
            self._queue.delete(passed)
        return found

    def _again(self, limit: int) -> list[Delivery]:
        """What was received before and is not acknowledged, unless somebody has dropped it."""
        if self._kept:
            there = self._queue.present(list(self._kept))
            self._kept = {
                position: delivery for position, delivery in self._kept.items() if position in there
            }
        return list(self._kept.values())[:limit]

    def _forget(self) -> None:
        self._kept.clear()
        self._share.forget()


def _whatever(_type: str) -> bool:
    return True
