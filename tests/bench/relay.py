"""The way of an event: the relay's pace, and how soon an event is handled.

From PostgreSQL to Redis, beside Redis alone and beside a relay that goes row by row.
"""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import redis

from strangler.events.buses.connect import connect
from strangler.events.consuming import Listening
from strangler.events.envelope import encode, envelope, partition
from strangler.events.outbox import said
from strangler.events.relay import BATCH, Relay, _Carrying
from tests.bench.harness import Goal, Pair, Row, at_least, in_turn, limit, row
from tests.bench.transfer_shop import Sane
from tests.servers import Redis
from tests.strangler.events.listening import Listener
from tests.strangler.events.sample import StarSeen
from tests.strangler.events.speaking import Speaker

EVENTS = 20_000
ONE_BY_ONE = 500
KEYS = 500
ROUNDS = 5
TOLD = 200
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FILL = """
INSERT INTO strangler_outbox (id, aggregatetype, aggregateid, version, type, payload, schema,
                              capability, partition, trace, at)
SELECT gen_random_uuid(), 'sky.star', k.name, %(from)s + n / %(keys)s, 'sky.star.seen',
       jsonb_build_object('name', k.name, 'number', n, 'light', repeat('x', 100))::text, 1, 'sky',
       k.partition, %(trace)s, now()
  FROM generate_series(0, %(count)s - 1) n
  JOIN unnest(%(names)s::text[], %(partitions)s::smallint[]) WITH ORDINALITY k(name, partition, o)
    ON k.o = 1 + mod(n, %(keys)s)
 ORDER BY n
"""


class Way:
    """An outbox that can be filled, and what empties it."""

    def __init__(self, speaker: Speaker, url: str) -> None:
        self._speaker = speaker
        self._url = url
        self._filled = 0
        self._redis = redis.Redis.from_url(url)

    def fill(self, count: int) -> None:
        names = [f"star {number}" for number in range(KEYS)]
        given = {
            "from": 1 + self._filled, "count": count, "keys": KEYS, "trace": TRACE, "names": names,
            "partitions": [partition(f"sky.star/{name}") for name in names],
        }  # fmt: skip
        self._filled += count
        with psycopg.connect(self._speaker.url, autocommit=True) as connection:
            connection.execute(FILL, given)
            connection.execute("VACUUM ANALYZE strangler_outbox")
        self._redis.flushall()

    def relayed(self) -> float:
        """Events in a second, by the relay."""
        self.fill(EVENTS)
        relay = Relay(self._speaker.store, partial(connect, self._url))
        with closing(self._speaker.store()) as store, closing(connect(self._url)) as bus:
            carrying = _Carrying(relay, store, bus, "bench", None)
            carrying._attend()
            began = time.perf_counter()
            with ThreadPoolExecutor(1) as beside:
                carrying._catch_up(carrying._read(), threading.Event(), beside)
            took = time.perf_counter() - began
            store.leave("bench")
        assert relay.published == EVENTS
        return EVENTS / took

    def alone(self) -> float:
        """Events in a second, by pipelined XADD, with nothing to read, make or delete."""
        self.fill(0)
        bodies = [
            (f"strangler:{number % 16}", {b"e": self._body(number)}) for number in range(EVENTS)
        ]
        began = time.perf_counter()
        for start in range(0, EVENTS, BATCH):
            with self._redis.pipeline(transaction=False) as pipe:
                for stream, fields in bodies[start : start + BATCH]:
                    pipe.xadd(stream, fields)
                pipe.execute()
        return EVENTS / (time.perf_counter() - began)

    def one_by_one(self) -> float:
        """Events in a second, by a relay as they are often written: a row, a message, a commit."""
        self.fill(ONE_BY_ONE)
        with psycopg.connect(self._speaker.url) as connection:
            began = time.perf_counter()
            while found := connection.execute(
                "SELECT id, aggregateid, payload FROM strangler_outbox ORDER BY position LIMIT 1 "
                "FOR UPDATE SKIP LOCKED"
            ).fetchone():
                self._redis.xadd("strangler:rows", {"key": found[1], "e": found[2]})
                connection.execute("DELETE FROM strangler_outbox WHERE id = %s", [found[0]])
                connection.commit()
            return ONE_BY_ONE / (time.perf_counter() - began)

    def _body(self, number: int) -> bytes:
        return encode(_envelope(number))

    def close(self) -> None:
        self._redis.close()


def _envelope(number: int) -> Any:
    one = said(StarSeen(f"star {number % KEYS}", number, "x" * 100))
    return envelope(
        id=str(one.id), type=one.type, key=one.aggregateid, version=number, schema=1, at=one.at,
        payload=one.payload.encode(), trace=TRACE,
    )  # fmt: skip


class Idle:
    """How long it takes in an idle system until what was said has been handled."""

    def __init__(self, speaker: Speaker, listener: Listener, url: str) -> None:
        self._speaker = speaker
        self._listener = listener
        self._connect = partial(connect, url)

    def delivered(self) -> list[float]:
        """Milliseconds from the speaker's commit until the listener's, sorted."""
        stop = threading.Event()
        relay = Relay(self._speaker.store, self._connect)
        thread = threading.Thread(target=relay.run, args=(stop,))
        with (
            Listening([self._listener.consumer], self._connect) as listening,
            psycopg.connect(self._listener.url, autocommit=True) as looking,
        ):
            thread.start()
            try:
                while not listening.figures["notes"].subscribed:
                    time.sleep(0.01)
                return sorted(self._one(looking, number) for number in range(1, TOLD + 1))
            finally:
                stop.set()
                thread.join()

    def _one(self, looking: psycopg.Connection[Any], number: int) -> float:
        time.sleep(random.uniform(0.1, 0.4))
        self._speaker.say(StarSeen("Vega", number))
        began = time.perf_counter()
        found = "SELECT 1 FROM effect WHERE name = 'Vega' AND number = %s"
        while looking.execute(found, [number]).fetchone() is None:
            time.sleep(0.001)
        return (time.perf_counter() - began) * 1e3


def bench(_folder: Path) -> Iterator[Row]:
    """All of them on one PostgreSQL and one Redis."""
    with ExitStack() as stack:
        server, broker = stack.enter_context(Sane()), stack.enter_context(Redis())
        speaker = Speaker(server.create())
        way = stack.enter_context(closing(Way(speaker, broker.url)))
        found = in_turn(way.relayed, way.alone, rounds=ROUNDS)
        pairs = [Pair(*pair) for pair in found]
        name = "the relay, PostgreSQL to Redis"
        peer = "pipelined XADD alone"
        yield row(f"{name}, beside Redis", pairs, peer_name=peer, unit="events/s",
                  goal=at_least(0.6))  # fmt: skip
        pace = Goal("≥ 20,000 events/s", "ours", least=20_000)
        yield row(f"{name}, its pace", pairs, peer_name=peer, unit="events/s", goal=pace)
        found = in_turn(way.relayed, way.one_by_one, rounds=ROUNDS)
        pairs = [Pair(*pair) for pair in found]
        peer = "a row, a message and a commit at a time"
        yield row(f"{name}, beside row by row", pairs, peer_name=peer, unit="events/s",
                  goal=at_least(10))  # fmt: skip
        way.fill(0)  # nothing of theirs is left for whoever listens
        listener = stack.enter_context(closing(Listener(server.create())))
        yield _soon(Idle(speaker, listener, broker.url))


def _soon(idle: Idle) -> Row:
    found = idle.delivered()
    p99 = found[round(len(found) * 0.99) - 1]
    pairs = [Pair(p99, statistics.median(found))]
    name = "from commit until handled, by Redis, in an idle system, 99 of 100"
    return row(name, pairs, peer_name="the median", unit="ms", goal=limit(250, "ms"))
