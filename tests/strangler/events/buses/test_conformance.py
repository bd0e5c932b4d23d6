"""What every bus does alike."""

from __future__ import annotations

import itertools
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from strangler.events import declare, failing
from strangler.events.buses import LARGEST, Bus, BusAway, Subscription
from strangler.events.buses.connect import connect
from strangler.events.consuming import Listening
from strangler.events.handling import present
from strangler.events.stores import Queued
from strangler.events.stores.connect import connect as connect_store
from strangler.events.subscribe import Handlers
from strangler.sqlalchemy.events.ledger import consumer
from tests.strangler.events.buses.brokers import Broker
from tests.strangler.events.buses.saying import (
    by_key,
    eventually,
    first_times,
    gathered,
    said,
    spoken,
    story,
    told,
)
from tests.strangler.events.buses.worker import megabytes, worker
from tests.strangler.events.listening import Inbox, Listener, ParkedEvent

CHAOS = bool(os.environ.get("STRANGLER_CHAOS"))
MONTH = 500_000 if CHAOS else 12_000
"""Events that wait for a consumer which was away for long."""
NUMBERS = itertools.count()
ROOM = 24.0
"""Megabytes more, whatever waits."""


@dataclass(frozen=True, slots=True)
class Thing:
    """What all events here are about."""

    name: str = ""


@pytest.fixture
def bus(broker: Broker) -> Iterator[Bus]:
    with broker.bus() as made:
        yield made


@pytest.fixture
def listener() -> str:
    """A consumer that nobody else is."""
    return f"listener{next(NUMBERS)}"


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def empty(subscription: Subscription) -> bool:
    return subscription.receive(10, 0.3) == []


def test_what_is_said_arrives_whole_and_in_order(broker: Broker, listener: str, bus: Bus):
    topic = broker.topic(listener)
    events = story(topic, keys=20, each=10)
    for first in range(0, len(events), 30):
        assert not bus.publish(events[first : first + 30])
    with bus.subscribe(listener, [topic]) as subscription:
        found = gathered(subscription, len(events))
        assert empty(subscription)
    assert {one.id: one for one in found} == {one.id: one for one in events}
    assert set(map(tuple, by_key(found).values())) == {tuple(range(1, 11))}


def test_who_waits_is_told_at_once(broker: Broker, listener: str, bus: Bus):
    topic = broker.topic(listener)
    with bus.subscribe(listener, [topic]) as subscription:
        bus.publish([said(topic, "one", 1)])
        gathered(subscription, 1)
        took = []
        for version in range(2, 7):
            teller = threading.Timer(0.1, lambda n: bus.publish([said(topic, "one", n)]), [version])
            teller.start()
            (delivery,) = subscription.receive(10, 30.0)
            took.append(time.time() - _at(delivery.event.time))
            teller.join()
            subscription.acknowledge([delivery])
    assert sorted(took)[2] < 0.5, took


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_every_consumer_is_told_and_a_slow_one_holds_nobody_up(
    broker: Broker, listener: str, bus: Bus
):
    slow_one, quick_one = f"slow-{listener}", f"quick-{listener}"
    topic = broker.topic(slow_one, quick_one)
    events = story(topic, keys=10, each=30)
    bus.publish(events)
    with bus.subscribe(slow_one, [topic]) as slow, bus.subscribe(quick_one, [topic]) as quick:
        held = slow.receive(1, 30.0)
        assert len(held) == 1
        assert len(gathered(quick, len(events))) == len(events)
        assert quick.backlog() == 0
        assert slow.backlog() == len(events)
        assert len(gathered(slow, len(events))) == len(events)


def test_only_its_topics_are_told(broker: Broker, listener: str, bus: Bus):
    one, other = broker.topic(listener), broker.topic(listener)
    bus.publish([said(one, "a", 1), said(other, "b", 1)])
    with bus.subscribe(listener, [other]) as subscription:
        assert by_key(gathered(subscription, 1)) == {"b": [1]}
        assert empty(subscription)
    with bus.subscribe(listener, [one, other]) as subscription:
        assert by_key(gathered(subscription, 1)) == {"a": [1]}


def test_what_it_is_told_no_more_stays_in_its_queue_and_in_nobody_s_way(
    broker: Broker, listener: str, bus: Bus
):
    """A subscription has been taken back, and another of the same speaker's has not."""
    if broker.database is None:
        return  # a broker keeps all of a topic for everybody
    topic = broker.topic(listener)
    gone = f"{topic}.thing.gone"
    left = [msgspec.structs.replace(one, type=gone) for one in story(topic, keys=8, each=10)]
    events = [msgspec.structs.replace(one, sequence=f"{one.version + 10}")
              for one in story(topic, keys=8, each=5)]  # fmt: skip
    mixed = [one for pair in zip(left[40:], events, strict=True) for one in pair]
    bus.publish([*left[:40], *mixed])
    with (
        connect(
            "http",
            database=broker.database,
            consumers=lambda kind: () if kind == gone else (listener,),
        ) as now,
        now.subscribe(listener, [topic]) as subscription,
    ):
        assert subscription.backlog() == len(events)
        found = gathered(subscription, len(events), limit=7)
        assert by_key(found) == by_key(events)
        assert empty(subscription)
        assert subscription.backlog() == 0
        now.publish([said(topic, "thing-0", 16)])
        assert by_key(gathered(subscription, 1, limit=1)) == {"thing-0": [16]}
    with closing(connect_store(broker.database)) as store:
        assert [one for one in store.queued() if one.consumer == listener] == [
            Queued(listener, gone, len(left))
        ]
        assert store.unqueue(listener, gone) == len(left)


def test_what_is_not_acknowledged_comes_again_and_first(broker: Broker, listener: str, bus: Bus):
    topic = broker.topic(listener)
    bus.publish([said(topic, "one", version) for version in (1, 2, 3)])
    with bus.subscribe(listener, [topic]) as subscription:
        first = subscription.receive(2, 30.0)
        while len(first) < 2:
            first = subscription.receive(2, 30.0)
        assert spoken(first) == [("one", 1), ("one", 2)]
        assert spoken(subscription.receive(2, 0.0)) == spoken(first)
        subscription.acknowledge(first[:1])
        assert spoken(subscription.receive(1, 0.0)) == [("one", 2)]
        eventually(lambda: len(subscription.receive(9, 0.2)) == 2, "the third has not come")
        assert spoken(subscription.receive(9, 0.0)) == [("one", 2), ("one", 3)]
        assert subscription.backlog() == 2


def test_what_only_a_newer_process_handles_is_kept_for_it_in_order(
    broker: Broker, listener: str, bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The older one is meant to be told too, by today's manifest, and has no handler for it."""
    monkeypatch.setattr(failing, "NOT_YET", 0.1)
    topic = broker.topic(listener)
    seen, gone = (f"{topic}.thing.{word}" for word in ("seen", "gone"))
    for kind in (seen, gone):
        monkeypatch.setitem(declare._declared, kind, declare.Declared(kind, Thing, "name", 1))
    database = Listener(f"sqlite:///{tmp_path / 'listens.sqlite3'}").database
    done: list[int] = []

    def process(*kinds: str) -> Listening:
        handlers = Handlers(listener)
        for kind in kinds:
            handlers._known[kind] = [lambda _: done.append(present().version)]
        made = consumer(handlers, database, Inbox, ParkedEvent)
        made.told = frozenset({seen, gone})
        return Listening([made], broker.bus)

    with process(seen) as older:
        eventually(lambda: older.figures[listener].subscribed, "nobody listens")
        for version, kind in ((1, seen), (2, gone), (3, seen)):
            event = said(topic, "one", version)
            bus.publish([msgspec.structs.replace(event, type=kind)])
        eventually(lambda: done == [1], "the first has not come")
        time.sleep(0.5)
    assert done == [1]
    with process(seen, gone):
        eventually(lambda: done == [1, 2, 3], "it has not come again")
    database.close()


@pytest.mark.parametrize("limit", [3, 50])
def test_a_poisoned_key_is_alone_in_waiting(broker: Broker, listener: str, bus: Bus, limit: int):
    topic = broker.topic(listener)
    bus.publish([said(topic, "poison", 1)])
    events = story(topic, keys=15, each=8)
    with bus.subscribe(listener, [topic]) as subscription:
        eventually(lambda: spoken(subscription.receive(limit, 1.0)) == [("poison", 1)], "no first")
        bus.publish(events)
        bus.publish([said(topic, "poison", 2)])
        well: list[tuple[str, int]] = []
        while len(well) < len(events):
            deliveries = subscription.receive(limit, 5.0)
            poisoned = [one for one in deliveries if one.event.subject == "poison"]
            assert spoken(poisoned) in ([("poison", 1)], [("poison", 1), ("poison", 2)])
            fine = [one for one in deliveries if one not in poisoned]
            subscription.acknowledge(fine)
            well += spoken(fine)
        assert len(set(well)) == len(well)
        assert first_times([("", *one) for one in well]) == by_key(events)
        eventually(lambda: len(subscription.receive(limit, 1.0)) == 2, "the second has not come")
    with bus.subscribe(listener, [topic]) as later:
        again = gathered(later, 2 if broker.exact else later.backlog())
        assert by_key(again)["poison"] == [1, 2]
        assert not broker.exact or len(again) == 2
        assert later.backlog() == 0


def test_the_backlog_is_counted_without_taking_part(broker: Broker, listener: str, bus: Bus):
    topic = broker.topic(listener)
    with (
        bus.subscribe(listener, [topic]) as subscription,
        bus.subscribe(listener, [topic]) as other,
    ):
        assert other.backlog() == 0
        bus.publish(story(topic, keys=7, each=10))
        assert other.backlog() == 70
        gathered(subscription, 70, acknowledge=False)
        assert other.backlog() == 70
        gathered(subscription, 70)
        assert other.backlog() == 0
        bus.publish(story(topic, keys=7, each=1))
        assert other.backlog() == 7


def test_who_closes_lets_others_go_on_at_once(broker: Broker, listener: str):
    topic = broker.topic(listener)
    events = story(topic, keys=30, each=2)
    # Kafka's groups wait for whoever has just left, by the mock's rules for as long as a lease.
    with broker.bus(lease=300 if broker.exact else None) as bus:
        bus.publish(events)
        leaving = bus.subscribe(listener, [topic])
        gathered(leaving, len(events), acknowledge=False)
        with bus.subscribe(listener, [topic]) as staying:
            assert staying.receive(10, 0.0) == []
            leaving.close()
            found = gathered(staying, len(events))
    assert set(map(tuple, by_key(found).values())) == {(1, 2)}


@pytest.mark.journey
def test_processes_share_the_work_and_keep_the_order_whoever_dies(
    broker: Broker, listener: str, bus: Bus, opened: ExitStack, tmp_path: Path
):
    topic = broker.topic(listener)
    log = tmp_path / "log"
    versions = itertools.count(1)
    keys = [f"thing-{key}" for key in range(40)]

    def until_it_works(*processes: subprocess.Popen[bytes]) -> None:
        """Say more and more, until each of them has had its part of it."""
        since = len(told(log))

        def all_work() -> bool:
            version = next(versions)
            bus.publish([said(topic, key, version) for key in keys])
            return {int(who) for who, _, _ in told(log)[since:]} >= {one.pid for one in processes}

        eventually(all_work, "not everybody has a part")

    one, two = (opened.enter_context(worker(broker, listener, topic, log)) for _ in range(2))
    until_it_works(one, two)
    one.kill()
    three = opened.enter_context(worker(broker, listener, topic, log))
    until_it_works(two, three)
    count = len(keys) * (next(versions) - 1)
    eventually(
        lambda: sum(map(len, first_times(told(log)).values())) == count, "not everything is handled"
    )
    assert first_times(told(log)) == {key: list(range(1, count // 40 + 1)) for key in keys}


def test_a_broker_that_dies_loses_nothing_and_keeps_the_order(
    broker: Broker, listener: str, opened: ExitStack, tmp_path: Path
):
    topic = broker.topic(listener)
    log = tmp_path / "log"
    events = story(topic, keys=25, each=40)
    batches = [events[first : first + 20] for first in range(0, len(events), 20)]
    opened.enter_context(worker(broker, listener, topic, log))
    away = []
    deaths = {15: threading.Event(), 35: threading.Event()}
    """Before which batch each begins: so there is something to say, and to hear, after it."""

    def publish() -> None:
        with broker.bus() as mine:
            for number, batch in enumerate(batches):
                if number in deaths:
                    assert deaths[number].wait(60)
                while True:
                    try:
                        mine.publish(batch)
                        break
                    except BusAway as error:
                        away.append(error)
                        time.sleep(0.02)
                time.sleep(0.01)

    def whole() -> bool:
        return sum(map(len, first_times(told(log)).values())) == len(events)

    publisher = threading.Thread(target=publish)
    publisher.start()
    handled = 0
    for death in deaths.values():
        eventually(lambda before=handled: len(told(log)) > before, "nothing is handled")
        handled = len(told(log))
        death.set()
        broker.kill()
        time.sleep(0.1)
        broker.again()
    publisher.join()
    eventually(whole, "not everything has been handled")
    assert first_times(told(log)) == by_key(events)


def test_a_broker_that_is_away_is_told_of(broker: Broker, listener: str):
    topic = broker.topic(listener)
    with broker.bus() as bus, bus.subscribe(listener, [topic]) as subscription:
        bus.publish([said(topic, "one", 1)])
        assert len(gathered(subscription, 1, acknowledge=False)) == 1
        broker.kill()
        try:
            if broker.says_that_it_is_away:
                with pytest.raises(BusAway):
                    bus.publish([said(topic, "one", 2)])
                with pytest.raises(BusAway):
                    subscription.backlog()
                with pytest.raises(BusAway):
                    bus.subscribe(listener, [topic])
        finally:
            broker.again()
        bus.publish([said(topic, "one", 2)])
        found = []
        while len({one.version for one in found}) < 2:
            try:
                found += gathered(subscription, 2)
            except BusAway:
                time.sleep(0.05)
        assert list(dict.fromkeys(one.version for one in found)) == [1, 2]


def test_what_is_too_large_is_refused_and_holds_nobody_up(broker: Broker, listener: str, bus: Bus):
    topic = broker.topic(listener)
    large = said(topic, "large", 1, payload=b'"' + b"x" * LARGEST + b'"')
    nearly = said(topic, "nearly", 1, payload=b'"' + b"x" * (LARGEST - 1000) + b'"')
    refused = bus.publish([said(topic, "one", 1), large, nearly, said(topic, "one", 2)])
    assert [one.event for one in refused] == [large]
    assert "at most" in refused[0].reason
    with bus.subscribe(listener, [topic]) as subscription:
        assert by_key(gathered(subscription, 3)) == {"one": [1, 2], "nearly": [1]}


@pytest.mark.long
def test_a_month_of_events_is_caught_up_with_in_bounded_memory(
    broker: Broker, listener: str, bus: Bus
):
    topic = broker.topic(listener, "warm")
    for _ in range(2):  # what both ends need to work at all
        bus.publish(story(topic, keys=100, each=10))
    with bus.subscribe("warm", [topic]) as warming:
        gathered(warming, 2000, limit=500)
    before = megabytes()
    batch = 1000
    month = min(MONTH, broker.most)
    for _ in range(month // batch):
        bus.publish(story(topic, keys=100, each=batch // 100))
    with bus.subscribe(listener, [topic]) as subscription:
        left = subscription.backlog()
        assert left == month + 2000
        while left:
            deliveries = subscription.receive(500, 5.0)
            assert len(deliveries) <= 500
            subscription.acknowledge(deliveries)
            left -= len(deliveries)
        assert subscription.backlog() == 0
    assert megabytes() - before < ROOM
