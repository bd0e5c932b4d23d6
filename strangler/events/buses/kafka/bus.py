"""Publishing to Kafka: a batch is there when all replicas in step have it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, cast

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from strangler.events.buses import LARGEST, BadBus, Bus, BusAway, Refused
from strangler.events.buses.kafka.errors import TOO_LARGE, said, told
from strangler.events.buses.kafka.subscription import PATIENCE, KafkaSubscription
from strangler.events.buses.shares import TTL
from strangler.events.envelope import PARTITIONS, Envelope, encode

RETENTION: Final = 21 * 86400.0
"""Seconds for which a topic that we make keeps its events. Kafka waits for nobody beyond that.

Less than an inbox remembers: a group that Kafka has forgotten is told it all again.
"""
_RECORD = LARGEST + 100_000  # with its key and headers
_BATCH = 200_000  # a larger event is alone in its batch: refused is always the whole batch
_HEARTBEAT = 1.0  # so soon a process hears that others have come or gone
_HEADERS = [("content-type", b"application/cloudevents+json; charset=utf-8")]


def topic_of(capability: str) -> str:
    """What Kafka calls the topic."""
    return f"events.{capability}"


class KafkaBus(Bus):
    """A Kafka cluster.

    Args:
        servers: some of it, each ``host:port``.
        options: more for librdkafka, such as how to log in.
        lease: after how many seconds others go on with the partitions of a process that says
            nothing any more; the cluster has bounds for it.
    """

    def __init__(
        self,
        servers: Sequence[str],
        *,
        options: Mapping[str, str] | None = None,
        lease: float = TTL,
    ) -> None:
        """Nothing is connected yet."""
        self._settings: dict[str, Any] = {
            **(options or {}),
            "bootstrap.servers": ",".join(servers),
            "log_level": 0,  # what matters comes as an error
        }
        self._lease = lease
        self._producer: Producer | None = None
        self._parts: dict[str, int] = {}

    def publish(self, events: Sequence[Envelope]) -> Sequence[Refused]:
        """Carry these, in this order; returns once all replicas in step have them.

        Raises:
            BusAway: publish all of them again, later.
            BadBus: see there.
        """
        refused: list[Refused] = []
        errors: list[KafkaError] = []
        try:
            producer = self._connected()
            for event in events:
                self._produce(producer, event, refused, errors)
            left = producer.flush(PATIENCE)
        except KafkaException as error:
            self._drop()
            raise told(error) from error
        if errors or left:
            # Some of them may yet arrive, in order; a producer that begins anew can't overtake.
            why = said(errors[0]) if errors else None
            self._drop()
            raise why or BusAway(f"Kafka has not taken {left} events within {PATIENCE:g} s")
        return refused

    def subscribe(self, consumer: str, topics: Collection[str]) -> KafkaSubscription:
        """Receive what is said under these topics, over connections of its own.

        Raises:
            BusAway, BadBus: see each of them.
        """
        names = sorted(map(topic_of, set(topics)))
        counts = {name: self._count(name) for name in names}
        consuming = {
            "group.id": consumer,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": int(self._lease * 1000),
            "heartbeat.interval.ms": int(min(self._lease / 5, _HEARTBEAT) * 1000),
            "fetch.wait.max.ms": 100,
            "queued.max.messages.kbytes": 16_384,
        }
        try:
            return KafkaSubscription(self._settings, consuming, consumer, counts)
        except KafkaException as error:
            raise told(error) from error

    def close(self) -> None:
        """Hang up."""
        self._drop()

    def _connected(self) -> Producer:
        if self._producer is None:
            self._producer = Producer(
                {
                    **self._settings,
                    "enable.idempotence": True,
                    "acks": "all",
                    "linger.ms": 1,
                    "batch.size": _BATCH,
                    "message.max.bytes": _RECORD,
                    # Nothing gives up by itself, one event before the other: we do, with all.
                    "message.timeout.ms": int(PATIENCE * 1000 * 20),
                }
            )
        return self._producer

    def _drop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaException):
                producer.purge()
            producer.flush(0)

    def _produce(
        self,
        producer: Producer,
        event: Envelope,
        refused: list[Refused],
        errors: list[KafkaError],
    ) -> None:
        body = encode(event)
        if len(body) > LARGEST:
            refused.append(Refused(event, f"{len(body)} bytes; at most {LARGEST}"))
            return
        name = topic_of(event.capability)
        count = self._parts.get(name) or self._count(name)

        def heard(error: KafkaError | None, _message: Message | None = None) -> None:
            if error is None:
                return
            if error.code() in TOO_LARGE:
                refused.append(Refused(event, f"Kafka refuses it: {error.str()}"))
            else:
                errors.append(error)

        def put() -> None:
            producer.produce(
                name,
                body,
                event.partitionkey.encode(),
                partition=event.partition % count,
                headers=cast(Any, _HEADERS),
                on_delivery=heard,
            )

        try:
            _with_room(producer, put)
        except KafkaException as error:
            heard(error.args[0])

    def _count(self, name: str) -> int:
        """How many partitions a topic has, which is made if it is not there."""
        admin = AdminClient(self._settings)
        try:
            # Asked for by its name, a cluster might make it, with too few partitions.
            found = admin.list_topics(timeout=PATIENCE).topics.get(name)
            if found is None:
                self._make(admin, name)
                found = admin.list_topics(name, timeout=PATIENCE).topics[name]
        except KafkaException as error:
            raise told(error) from error
        if found.error is not None or not found.partitions:
            raise BadBus(
                f"Kafka has no topic {name!r}: make it, with {PARTITIONS} partitions, or let us"
            )
        self._parts[name] = len(found.partitions)
        return self._parts[name]

    def _make(self, admin: AdminClient, name: str) -> None:
        wanted = NewTopic(
            name,
            num_partitions=PARTITIONS,
            replication_factor=-1,
            config={
                "retention.ms": str(int(RETENTION * 1000)),
                "max.message.bytes": str(_RECORD),
            },
        )
        # Somebody else may have made it, or may have to.
        with suppress(KafkaException):
            admin.create_topics([wanted], operation_timeout=PATIENCE)[name].result()


def _with_room(producer: Producer, put: Callable[[], None]) -> None:
    """Put it where it waits to be sent, once there is room."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            put()
        except BufferError:
            if time.monotonic() > until:
                raise BusAway("Kafka takes nothing, and the buffer is full") from None
            producer.poll(0.1)
        else:
            producer.poll(0)
            return
