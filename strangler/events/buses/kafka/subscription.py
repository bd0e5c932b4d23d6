"""Receiving from Kafka: the group shares the partitions out, and each is read by one process."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, cast

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition, admin

from strangler.events.buses import Delivery, Subscription
from strangler.events.buses.kafka.errors import passes, said, told
from strangler.events.buses.reading import read

PATIENCE: Final = 15.0
"""Seconds in which a batch has to be with all replicas in step, or a question be answered."""
_SLICE = 0.5
_SPEC: Any = admin.__dict__["OffsetSpec"]  # of which its types know nothing


class _Part:
    """One partition that is ours."""

    __slots__ = ("committed", "kept", "next")

    def __init__(self) -> None:
        self.next = -1
        """The first offset that has not been received."""
        self.committed = -1
        self.kept: dict[int, Delivery] = {}
        """What was received and not acknowledged."""

    @property
    def done(self) -> int:
        """Everything before this is acknowledged."""
        return next(iter(self.kept), self.next)


_Place = tuple[str, int]


class KafkaSubscription(Subscription):
    """A consumer's part of some topics."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        consuming: Mapping[str, Any],
        consumer: str,
        counts: Mapping[str, int],
    ) -> None:
        self._consumer = consumer
        self._counts = counts
        self._parts: dict[_Place, _Part] = {}
        self._full = False
        self._settings = settings
        self._admin: admin.AdminClient | None = None
        self._client = Consumer({**settings, **consuming})
        self._joined = False

    def receive(self, limit: int, wait: float) -> Sequence[Delivery]:
        """The oldest events that are not acknowledged, in order for each aggregate.

        Raises:
            BusAway: try again later.
        """
        until = time.monotonic() + wait
        try:
            if not self._joined:  # whoever only counts takes nothing from the others
                self._join()
            while True:
                known = len(self._kept(limit))
                self._hold(full=known >= limit)
                pause = 0.0 if known else max(min(until - time.monotonic(), _SLICE), 0.0)
                # Also where nothing more is wanted: it says that we live, and hears what is ours.
                first = self._client.poll(pause)
                if first is not None:
                    self._take([first])
                    if (left := limit - known - 1) > 0:
                        self._take(self._client.consume(left, 0))
                found = self._kept(limit)
                if found or time.monotonic() >= until:
                    return found
        except (KafkaException, RuntimeError) as error:
            raise told(error) from error

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Never deliver these to this consumer again.

        Raises:
            BusAway: they may be delivered again.
        """
        for delivery in deliveries:
            place, offset = cast(tuple[_Place, int], delivery.mark)
            if (part := self._parts.get(place)) is not None:
                part.kept.pop(offset, None)
        self._commit()

    def backlog(self) -> int:
        """How many events come after the last one before which all is acknowledged.

        Raises:
            BusAway: nobody can say.
        """
        places = [
            TopicPartition(name, number)
            for name, count in self._counts.items()
            for number in range(count)
        ]
        try:
            # Over a connection of its own: on the other one an answer waits until there is news.
            first = self._offsets(places, _SPEC.earliest())
            end = self._offsets(places, _SPEC.latest())
            known = self._client.committed(places, timeout=PATIENCE)
        except (KafkaException, RuntimeError) as error:
            raise told(error) from error
        return sum(end[place] - max(place.offset, first[place]) for place in known)

    def close(self) -> None:
        """Let others of the same consumer go on at once."""
        self._parts.clear()
        with suppress(RuntimeError, KafkaException):  # it may be closed
            self._client.close()

    def _offsets(self, places: Sequence[TopicPartition], which: Any) -> dict[TopicPartition, int]:
        if self._admin is None:
            self._admin = admin.AdminClient(dict(self._settings))
        asked = self._admin.list_offsets(dict.fromkeys(places, which), request_timeout=PATIENCE)
        return {place: answer.result().offset for place, answer in asked.items()}

    def _join(self) -> None:
        self._client.subscribe(
            list(self._counts),
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._revoked,
        )
        self._joined = True

    def _kept(self, limit: int) -> list[Delivery]:
        found: list[Delivery] = []
        for part in self._parts.values():
            if len(found) >= limit:
                break
            found.extend(part.kept.values())
        return found[:limit]

    def _hold(self, *, full: bool) -> None:
        """Have nothing sent while there is enough."""
        if full != self._full:
            places = self._client.assignment()
            (self._client.pause if full else self._client.resume)(places)
            self._full = full

    def _take(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if (error := message.error()) is not None:
                if passes(error):
                    continue
                raise said(error)
            place = (cast(str, message.topic()), cast(int, message.partition()))
            offset = cast(int, message.offset())
            part = self._parts.get(place)
            if part is None:
                continue  # it has just been given away
            where = f"{place[0]} {place[1]} {offset}"
            event = read(message.value() or b"", consumer=self._consumer, place=where)
            part.next = offset + 1
            if event is not None:
                part.kept[offset] = Delivery(event, (place, offset))

    def _commit(self) -> None:
        ahead = [
            (part, TopicPartition(*place, part.done))
            for place, part in self._parts.items()
            if part.done > part.committed
        ]
        if not ahead:
            return
        try:
            self._client.commit(offsets=[place for _, place in ahead], asynchronous=False)
        except (KafkaException, RuntimeError) as error:
            raise told(error) from error
        for part, place in ahead:
            part.committed = place.offset

    def _assigned(self, _client: Consumer, places: Sequence[TopicPartition]) -> None:
        for place in places:
            self._parts[place.topic, place.partition] = _Part()
        self._full = False

    def _revoked(self, _client: Consumer, places: Sequence[TopicPartition]) -> None:
        for place in places:
            self._parts.pop((place.topic, place.partition), None)
