"""What only Redis does: trimming, streams that are lost, readers that have been overtaken."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import pytest
import redis

from strangler.events.buses import BadBus, BusAway, Delivery, Subscription
from strangler.events.buses.redis import RedisBus
from strangler.events.buses.redis.link import stream
from strangler.events.envelope import partition
from tests.strangler.events.buses.saying import by_key, gathered, said, spoken, story

pytestmark = pytest.mark.redis


@pytest.fixture
def bus(redis_url: str) -> Iterator[RedisBus]:
    with RedisBus(redis_url, retention=0.0, lease=1.0) as made:
        yield made


@pytest.fixture
def raw(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def length(raw: redis.Redis) -> int:
    return sum(raw.xlen(name) for name in raw.keys("strangler:events:*"))


def test_nothing_is_trimmed_that_somebody_waits_for(bus: RedisBus, raw: redis.Redis):
    events = story("catalog", keys=4, each=1000)
    bus.publish(events)
    with bus.subscribe("quick", ["catalog"]) as quick, bus.subscribe("slow", ["catalog"]) as slow:
        gathered(quick, len(events), limit=1000)
        assert bus.trim() == 0  # the slow one has read nothing
        held = gathered_marks(slow, len(events))
        slow.acknowledge(held[1:])
        bus.publish(events[:4])
        bus.trim()  # and now all but one, which is the first of its stream
        name = stream_of(held[0].event.subject)
        assert raw.xrange(name)[0][0] == held[0].mark[1]
        assert length(raw) < len(events)
        assert spoken(slow.receive(1, 5.0)) == spoken(held[:1])
        slow.acknowledge(held[:1])
        gathered(quick, 4)
        gathered(slow, 4)
        bus.publish(events[:4])
        assert bus.trim() > 0
        assert length(raw) < 1000
        assert slow.backlog() == quick.backlog() == 4


def gathered_marks(subscription: Subscription, count: int) -> Sequence[Delivery]:
    """What is received, and acknowledged by nobody yet."""
    found: Sequence[Delivery] = []
    until = time.monotonic() + 20
    while len(found) < count:
        assert time.monotonic() < until
        found = subscription.receive(count, 1.0)
    return found


def stream_of(key: str) -> str:
    return stream("catalog", partition(f"catalog.thing/{key}"))


def test_what_is_new_is_kept_for_consumers_yet_to_come(redis_url: str):
    with RedisBus(redis_url, retention=60.0) as keeping:
        events = story("catalog", keys=2, each=500)
        keeping.publish(events)
        with keeping.subscribe("early", ["catalog"]) as early:
            gathered(early, len(events), limit=1000)
        assert keeping.trim() == 0
        with keeping.subscribe("late", ["catalog"]) as late:
            assert late.backlog() == len(events)
            assert len(gathered(late, len(events), limit=1000)) == len(events)


def test_the_backlog_is_exact_on_a_trimmed_stream(bus: RedisBus):
    bus.publish(story("catalog", keys=1, each=1000))
    bus.trim()
    with bus.subscribe("late", ["catalog"]) as late, bus.subscribe("late", ["catalog"]) as counting:
        left = late.backlog()
        while left:
            assert counting.backlog() == left
            deliveries = late.receive(70, 5.0)
            assert counting.backlog() == left
            late.acknowledge(deliveries)
            left -= len(deliveries)
        assert counting.backlog() == 0
        assert late.receive(1, 0.0) == []


def test_a_redis_that_has_lost_everything_is_gone_on_with(bus: RedisBus, raw: redis.Redis):
    bus.publish(story("catalog", keys=5, each=2))
    with bus.subscribe("listener", ["catalog"]) as subscription:
        assert len(subscription.receive(4, 5.0)) == 4
        raw.flushall()
        raw.script_flush()
        bus.publish([said("catalog", "after", 1)])
        # What is in memory may be told again; then comes what is new.
        found = {}
        until = time.monotonic() + 20
        while "after" not in found:
            assert time.monotonic() < until
            deliveries = subscription.receive(100, 1.0)
            found.update(by_key(one.event for one in deliveries))
            subscription.acknowledge(deliveries)
        bus.publish([said("catalog", "after", 2)])
        assert by_key(gathered(subscription, 1)) == {"after": [2]}


def test_a_stream_that_somebody_has_deleted_begins_anew(bus: RedisBus, raw: redis.Redis):
    bus.publish([said("catalog", "one", 1)])
    with bus.subscribe("listener", ["catalog"]) as subscription:
        gathered(subscription, 1)
        raw.delete(stream_of("one"))
        bus.publish([said("catalog", "one", 2)])
        assert by_key(gathered(subscription, 1)) == {"one": [2]}


def test_who_holds_no_lease_reads_nothing(bus: RedisBus, raw: redis.Redis):
    bus.publish([said("catalog", "one", 1)])
    with bus.subscribe("listener", ["catalog"]) as subscription:
        subscription._look()
        raw.hset("strangler:leases:listener", "catalog:3", "another")
        assert subscription._read(10) == ([], False)
        assert not subscription._share.held


def test_who_was_overtaken_reads_nothing_more(bus: RedisBus):
    bus.publish([said("catalog", "one", 1)])
    with bus.subscribe("listener", ["catalog"]) as stopped:
        assert spoken(stopped.receive(10, 5.0)) == [("one", 1)]
        with bus.subscribe("listener", ["catalog"]) as other:
            assert other.receive(10, 0.0) == []
            found = []
            while not found:  # the first process says nothing for longer than its lease
                found = other.receive(10, 0.5)
            assert spoken(found) == [("one", 1)]
            bus.publish([said("catalog", "one", 2)])
            stopped._share._next = time.monotonic() + 60  # it has stopped between look and read
            late = stopped._read(10)
            assert late == ([], False)
            assert [one.event.version for one in gathered_of(other)] == [1, 2]


def gathered_of(subscription: Subscription) -> Sequence[Delivery]:
    found = subscription.receive(10, 5.0)
    return found if len(found) > 1 else subscription.receive(10, 5.0)


def test_what_is_no_event_is_passed_over(
    bus: RedisBus, raw: redis.Redis, caplog: pytest.LogCaptureFixture
):
    name = stream_of("one")
    with bus.subscribe("listener", ["catalog"]) as subscription:
        raw.xadd(name, {"event": b"not ours"})
        bus.publish([said("catalog", "one", 1)])
        assert by_key(gathered(subscription, 1)) == {"one": [1]}
        assert subscription.backlog() == 0
    assert name in caplog.text


def test_a_batch_waits_for_replicas(redis_url: str):
    with RedisBus(redis_url, replicas=1) as bus, pytest.raises(BusAway, match="0 replicas"):
        bus.publish([said("catalog", "one", 1)])


def test_a_redis_that_refuses_us_is_a_mistake_of_ours(redis_url: str):
    with RedisBus(redis_url.replace("//", "//nobody:wrong@")) as bus, pytest.raises(BadBus) as no:
        bus.publish([said("catalog", "one", 1)])
    assert "look at the user" in str(no.value)
