"""What a bus costs: publishing to Redis beside plain pipelined XADD, and receiving beside a group.

Redis keeps an append-only file, as it would in production. The other buses are informed of: the
queues in PostgreSQL beside a plain COPY of the same rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import redis

from strangler.events.buses import Bus
from strangler.events.buses.connect import connect
from strangler.events.envelope import PARTITIONS, Envelope, decode, encode, envelope, identifier
from tests.bench.harness import Goal, Pair, Row, at_least, in_turn, row
from tests.bench.transfer_shop import Sane
from tests.servers import Redis

EVENTS = 20_000
BATCH = 1000
KEYS = 500
ROUNDS = 9
ENOUGH = Goal("≥ 20,000 events/s", "ours", least=20_000)
_QUEUE = "COPY plain (consumer, topic, partition, envelope) FROM STDIN"


class Writing(Redis):
    """A Redis that writes down what it takes."""

    def command(self) -> list[str]:
        """How the server is started."""
        return [*super().command(), "--appendonly", "yes", "--appendfsync", "everysec"]


def bench(folder: Path) -> Iterator[Row]:
    """Publishing, receiving, and queues."""
    events = [_event(number) for number in range(EVENTS)]
    with Writing() as server, redis.Redis.from_url(server.url) as raw:
        with connect(server.url) as bus:
            publishing = in_turn(
                lambda: _published(bus, events, raw),
                lambda: _added(raw, events),
                rounds=ROUNDS,
            )
            receiving = in_turn(
                lambda: _received(bus, events, raw),
                lambda: _read(raw, events),
                rounds=ROUNDS,
            )
        pairs = [Pair(*one) for one in publishing]
        peer = "pipelined XADD of the same bodies"
        yield row("publish to Redis", pairs, peer_name=peer, unit="events/s", goal=at_least(0.6))
        yield row("publish to Redis, pace", pairs, peer_name=peer, unit="events/s", goal=ENOUGH)
        yield row(
            "receive and acknowledge, Redis", [Pair(*one) for one in receiving],
            peer_name="XREADGROUP and XACK, read as events", unit="events/s", goal=at_least(0.6),
        )  # fmt: skip
    with Sane() as database:
        url = database.create()
        with connect("http", database=url, consumers=lambda _: ["listener"]) as bus:
            bus.publish(events[:1])
            queuing = in_turn(
                lambda: _queued(bus, events, url), lambda: _copied(url, events), rounds=ROUNDS
            )
        yield row(
            "queue for one consumer, PostgreSQL", [Pair(*one) for one in queuing],
            peer_name="COPY of the same rows", unit="events/s",
        )  # fmt: skip


def _event(number: int) -> Envelope:
    return envelope(
        id=str(identifier()),
        type="catalog.product.changed",
        key=f"SKU-{number % KEYS}",
        version=number // KEYS + 1,
        schema=1,
        at=datetime.now(UTC),
        payload=b'{"sku":"SKU-1","name":"' + b"x" * 100 + b'"}',
        trace=None,
    )


def _batches(events: list[Envelope]) -> Iterator[list[Envelope]]:
    return (events[first : first + BATCH] for first in range(0, len(events), BATCH))


def _rate(began: float) -> float:
    return EVENTS / (time.perf_counter() - began)


def _published(bus: Bus, events: list[Envelope], raw: Any) -> float:
    raw.flushall()
    began = time.perf_counter()
    for batch in _batches(events):
        if bus.publish(batch):
            raise RuntimeError("an event was refused")
    rate = _rate(began)
    _all_there(raw)
    return rate


def _added(raw: Any, events: list[Envelope]) -> float:
    """What is to be sent has been made before, and is not counted."""
    raw.flushall()
    bodies = [(f"strangler:events:catalog:{one.partition}", encode(one)) for one in events]
    began = time.perf_counter()
    for first in range(0, EVENTS, BATCH):
        with raw.pipeline(transaction=False) as pipe:
            for name, body in bodies[first : first + BATCH]:
                pipe.xadd(name, {"event": body})
            pipe.execute()
    rate = _rate(began)
    _all_there(raw)
    return rate


def _all_there(raw: Any) -> None:
    found = sum(raw.xlen(f"strangler:events:catalog:{part}") for part in range(PARTITIONS))
    if found != EVENTS:
        raise RuntimeError(f"{found} events of {EVENTS} are there")


def _received(bus: Bus, events: list[Envelope], raw: Any) -> float:
    _published(bus, events, raw)
    with bus.subscribe("listener", ["catalog"]) as subscription:
        began, left = time.perf_counter(), EVENTS
        while left:
            deliveries = subscription.receive(BATCH, 5.0)
            subscription.acknowledge(deliveries)
            left -= len(deliveries)
        return _rate(began)


def _read(raw: Any, events: list[Envelope]) -> float:
    _added(raw, events)
    names = [f"strangler:events:catalog:{part}" for part in range(PARTITIONS)]
    for name in names:
        raw.xgroup_create(name, "plain", "0")
    began, left = time.perf_counter(), EVENTS
    while left:
        found = raw.xreadgroup("plain", "one", dict.fromkeys(names, ">"), BATCH // PARTITIONS)
        with raw.pipeline(transaction=False) as pipe:
            for name, entries in found.items() if isinstance(found, dict) else found:
                some = entries[0] if entries and isinstance(entries[0], list) else entries
                for _, fields in some:
                    decode(fields[b"event"])
                pipe.xack(name, "plain", *(mark for mark, _ in some))
                left -= len(some)
            pipe.execute()
    return _rate(began)


def _queued(bus: Bus, events: list[Envelope], url: str) -> float:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("TRUNCATE strangler_queue")
    began = time.perf_counter()
    for batch in _batches(events):
        bus.publish(batch)
    return _rate(began)


def _copied(url: str, events: list[Envelope]) -> float:
    """Into a table that is made alike; what is to be copied has been made before."""
    rows = [("listener", "catalog", one.partition, encode(one).decode()) for one in events]
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("DROP TABLE IF EXISTS plain")
        connection.execute("CREATE TABLE plain (LIKE strangler_queue INCLUDING ALL)")
        began = time.perf_counter()
        for first in range(0, EVENTS, BATCH):
            with connection.transaction(), connection.cursor().copy(_QUEUE) as copying:
                for one in rows[first : first + BATCH]:
                    copying.write_row(one)
        return _rate(began)
