"""Publishing to Redis: a batch is one script, one round trip, and there whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, Final

from strangler.events.buses import LARGEST, Bus, BusAway, BusError, Refused
from strangler.events.buses.redis import scripts
from strangler.events.buses.redis.link import Link, stream
from strangler.events.buses.redis.subscription import RedisSubscription
from strangler.events.buses.shares import TTL
from strangler.events.envelope import PARTITIONS, Envelope, encode

RETENTION: Final = 24 * 3600.0
"""Seconds for which events are kept that everybody has acknowledged: for consumers yet to come."""
TRIM_EVERY: Final = 60.0
"""Seconds between two looks at what can go."""
_EVENTS = 2000
_BYTES = 4_000_000
_COPIED = 2.0


class RedisBus(Bus):
    """Redis Streams.

    Args:
        url: as redis-py takes it.
        retention: see ``RETENTION``.
        replicas: by so many replicas a batch is held before it counts as published.
        lease: see ``shares.TTL``.
    """

    def __init__(
        self, url: str, *, retention: float = RETENTION, replicas: int = 0, lease: float = TTL
    ) -> None:
        """Nothing is connected yet.

        Raises:
            BadBus: the URL is none that Redis has.
        """
        self._url = url
        self._link = Link(url)
        self._retention = retention
        self._replicas = replicas
        self._lease = lease
        self._streams: dict[str, dict[int, str]] = {}
        self._touched: set[str] = set()
        self._trim_at = time.monotonic() + TRIM_EVERY

    def publish(self, events: Sequence[Envelope]) -> Sequence[Refused]:
        """Carry these, in this order; a batch that is not too large is there at once.

        Raises:
            BusAway: publish all of them again, later.
        """
        refused: list[Refused] = []
        for parcel in self._parcels(events, refused):
            counts = [len(bodies) for bodies in parcel.values()]
            self._link.script(
                scripts.PUBLISH, list(parcel), [*counts, *chain.from_iterable(parcel.values())]
            )
            self._touched.update(parcel)
        if self._replicas:
            self._await_replicas()
        if time.monotonic() >= self._trim_at:
            with suppress(BusAway):  # what was to be published is there
                self.trim()
        return refused

    def subscribe(self, consumer: str, topics: Collection[str]) -> RedisSubscription:
        """Receive what is said under these topics, over a connection of its own.

        Raises:
            BusAway, BadBus: see each of them.
        """
        link = Link(self._url)
        try:
            return RedisSubscription(link, consumer, topics, lease=self._lease)
        except BusError:
            link.close()
            raise

    def trim(self) -> int:
        """Delete what every consumer has acknowledged, once it is old; how much that was.

        Publishing does so now and then.

        Raises:
            BusAway: nobody knows how much.
        """
        touched, self._touched = sorted(self._touched), set()
        self._trim_at = time.monotonic() + TRIM_EVERY
        gone: int = self._link.script(scripts.TRIM, touched, [int(self._retention * 1000)])
        return gone

    def close(self) -> None:
        """Hang up."""
        self._link.close()

    def _parcels(
        self, events: Sequence[Envelope], refused: list[Refused]
    ) -> Iterator[dict[str, list[bytes]]]:
        parcel: dict[str, list[bytes]] = {}
        count = size = 0
        for event in events:
            body = encode(event)
            if len(body) > LARGEST:
                refused.append(Refused(event, f"{len(body)} bytes; at most {LARGEST}"))
                continue
            if count == _EVENTS or size + len(body) > _BYTES:
                yield parcel
                parcel, count, size = {}, 0, 0
            topic = event.capability
            names = self._streams.get(topic)
            if names is None:
                names = self._streams[topic] = {
                    part: stream(topic, part) for part in range(PARTITIONS)
                }
            name = names[event.partition]
            bodies = parcel.get(name)
            if bodies is None:
                parcel[name] = [body]
            else:
                bodies.append(body)
            count += 1
            size += len(body)
        if parcel:
            yield parcel

    def _await_replicas(self) -> None:
        held: Any = self._link.run("WAIT", self._replicas, int(_COPIED * 1000))
        if held < self._replicas:
            raise BusAway(f"{held} replicas hold what was published, and not {self._replicas}")
