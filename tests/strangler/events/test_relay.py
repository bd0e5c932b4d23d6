"""The relay on both databases, with a bus that writes down what it is told."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from strangler.events import relay as relaying
from strangler.events.envelope import Envelope, opened
from strangler.events.relay import Relay
from strangler.events.stores import Lease, Refusing
from tests.strangler.events.sample import FishCaught, StarSeen
from tests.strangler.events.speaking import RecordingBus, Speaker, once, told


def until(true: Callable[[], object], *, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@contextmanager
def running(relay: Relay) -> Iterator[Relay]:
    stop = threading.Event()
    thread = threading.Thread(target=relay.run, args=(stop,))
    thread.start()
    try:
        yield relay
    finally:
        stop.set()
        thread.join()


def waiting(speaker: Speaker) -> int:
    return speaker.rows("SELECT count(*) FROM strangler_outbox")[0][0]


def bright(event: Envelope) -> bool:
    return event.type == "sky.star.seen" and opened(event).light.startswith("bright")


BRIGHT = "bright" * relaying.LARGE
"""Too large for the bus, and large enough for the relay to be careful."""


def test_all_is_told_in_order_and_nothing_is_left(speaker: Speaker, tmp_path: Path):
    record = tmp_path / "record"
    with running(Relay(speaker.store, lambda: RecordingBus(record))) as relay:
        for number in range(5):
            speaker.say(*(StarSeen(f"star {n % 50}", number) for n in range(300)))
        until(lambda: relay.published == 1500)
    assert waiting(speaker) == 0
    found = told(record)
    assert len(found) == 1500
    assert set(once(found)) == {f"sky.star/star {n}" for n in range(50)}
    assert all(versions == list(range(1, 31)) for versions in once(found).values())
    assert speaker.rows("SELECT DISTINCT holder FROM strangler_relay") == [("",)]
    assert speaker.rows("SELECT * FROM strangler_relay_process") == []


def test_a_bus_that_is_away_parks_nothing(
    speaker: Speaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    bus = RecordingBus(tmp_path / "record")
    bus.close = lambda: None  # type: ignore[method-assign]
    bus.away = True
    speaker.say(StarSeen("Vega", 1))
    with running(Relay(speaker.store, lambda: bus)) as relay:
        until(lambda: caplog.records)
        speaker.say(StarSeen("Vega", 2))
        bus.away = False
        until(lambda: relay.published == 2)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert once(told(tmp_path / "record")) == {"sky.star/Vega": [1, 2]}
    assert speaker.rows("SELECT count(*) FROM strangler_outbox_parked") == [(0,)]


def test_what_is_refused_is_parked_with_what_follows_and_replayed_in_order(
    speaker: Speaker, tmp_path: Path
):
    record, mended = tmp_path / "record", False
    speaker.say(
        StarSeen("Vega", 1),
        StarSeen("Sirius", 1),
        StarSeen("Vega", 2, BRIGHT),
        StarSeen("Vega", 3),
        StarSeen("Sirius", 2),
    )

    def refuses(event: Envelope) -> bool:
        return not mended and bright(event)

    with running(Relay(speaker.store, lambda: RecordingBus(record, refuses=refuses))) as relay:
        until(lambda: relay.published == 3)
        speaker.say(StarSeen("Vega", 4), StarSeen("Sirius", 3))
        until(lambda: relay.published == 4)
        until(lambda: waiting(speaker) == 0)
        with closing(speaker.store()) as store:
            parked = store.parked(10)
            assert [(one.key, one.version) for one in parked] == [("Vega", n) for n in (2, 3, 4)]
            assert [one.reason for one in parked] == [
                "too bright",
                "behind version 2",
                "behind version 2",
            ]
            assert (store.backlog().waiting, store.backlog().parked) == ({}, 3)
            assert once(told(record)) == {"sky.star/Vega": [1], "sky.star/Sirius": [1, 2, 3]}
            # Replayed too early it is refused again, with all that follows, in order.
            assert store.replay(parked[2].id) == 3
            until(lambda: len(store.parked(10)) == 3)
            until(lambda: waiting(speaker) == 0)
            mended = True
            assert store.replay() == 3
            speaker.say(StarSeen("Vega", 5))
            until(lambda: relay.published == 8)
            assert (store.backlog().waiting, store.backlog().parked) == ({}, 0)
    assert once(told(record)) == {"sky.star/Vega": [1, 2, 3, 4, 5], "sky.star/Sirius": [1, 2, 3]}


def test_behind_it_reads_ahead_and_tells_each_once_and_none_that_follows_what_is_refused(
    speaker: Speaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(relaying, "BATCH", 4)
    record = tmp_path / "record"
    for number in range(10):
        speaker.say(*(StarSeen("Vega", number) for _ in range(3)))
        light = BRIGHT if number == 4 else ""
        speaker.say(StarSeen("Sirius", number, light), *(StarSeen("Rigel", n) for n in range(2)))
    with running(Relay(speaker.store, lambda: RecordingBus(record, refuses=bright))):
        until(lambda: waiting(speaker) == 0)
    assert once(told(record)) == {
        "sky.star/Vega": list(range(1, 31)),
        "sky.star/Sirius": [1, 2, 3, 4],
        "sky.star/Rigel": list(range(1, 21)),
    }
    assert len(told(record)) == 54
    with closing(speaker.store()) as store:
        assert [one.version for one in store.parked(9)] == [5, 6, 7, 8, 9, 10]


def test_what_is_dropped_is_never_told_and_what_was_behind_it_goes_on(
    speaker: Speaker, tmp_path: Path
):
    record = tmp_path / "record"
    speaker.say(StarSeen("Vega", 1, BRIGHT), StarSeen("Vega", 2), StarSeen("Vega", 3))
    relay = Relay(speaker.store, lambda: RecordingBus(record, refuses=bright))
    with running(relay), closing(speaker.store()) as store:
        until(lambda: len(store.parked(9)) == 3)
        head = store.parked(9)[0]
        assert store.drop(head.id, "ada@here: nobody needs it") == 2
        assert store.drop(head.id, "again") is None
        until(lambda: relay.published == 2)
        assert store.parked(9) == []
        (dropped,) = store.parked(9, dropped=True)
        assert dropped.dropped == "ada@here: nobody needs it"
        assert (store.backlog().parked, store.backlog().dropped) == (0, 1)
        assert store.forget(1) == 0
        assert store.forget(0) == 1
    assert once(told(record)) == {"sky.star/Vega": [2, 3]}


def test_a_bus_that_refuses_what_is_small_makes_the_relay_careful(speaker: Speaker, tmp_path: Path):
    record = tmp_path / "record"
    with running(Relay(speaker.store, lambda: RecordingBus(record, refuses=bright))) as relay:
        speaker.say(StarSeen("Vega", 1, "bright"))
        with closing(speaker.store()) as store:
            until(lambda: store.parked(9))
            speaker.say(
                StarSeen("Sirius", 1),
                StarSeen("Sirius", 2, "bright"),
                StarSeen("Sirius", 3),
                StarSeen("Rigel", 1),
                StarSeen("Rigel", 2),
            )
            until(lambda: relay.published == 3)
            until(lambda: len(store.parked(9)) == 3)
    assert once(told(record)) == {"sky.star/Sirius": [1], "sky.star/Rigel": [1, 2]}


def test_two_relays_have_fair_shares_and_one_takes_all_if_the_other_goes(
    speaker: Speaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(relaying, "RENEW", 0.05)
    record = tmp_path / "record"

    def shares() -> list[int]:
        with closing(speaker.store()) as store:
            return sorted(len(one.partitions) for one in store.backlog().relays)

    def make(name: str) -> Relay:
        return Relay(speaker.store, lambda: RecordingBus(record), name=name)

    with running(make("one")) as one:
        until(lambda: shares() == [16])
        with running(make("two")) as two:
            until(lambda: shares() == [8, 8])
            with running(make("three")):
                until(lambda: shares() == [5, 5, 6])
            until(lambda: shares() == [8, 8])
            for number in range(10):
                speaker.say(*(StarSeen(f"star {n}", number) for n in range(100)))
            until(lambda: one.published + two.published == 1000)
            assert one.published
            assert two.published
        until(lambda: shares() == [16])
        speaker.say(*(StarSeen(f"star {n}", 10) for n in range(100)))
        until(lambda: one.published + two.published == 1100)
    assert all(versions == list(range(1, 12)) for versions in once(told(record)).values())


def test_whoever_has_lost_its_lease_deletes_and_parks_nothing(speaker: Speaker):
    speaker.say(StarSeen("Vega", 1), FishCaught("trout"))
    with closing(speaker.store()) as store, closing(speaker.store()) as other:
        stale = store.attend("stale")
        assert len(stale) == 16
        found = store.read([one.partition for one in stale], 10)
        assert other.attend("other") == []  # nobody takes what is another's
        speaker.run("UPDATE strangler_relay_process SET until = '2001-01-01 00:00:00'")
        speaker.run("UPDATE strangler_relay SET until = '2001-01-01 00:00:00'")
        fresh = other.attend("other")
        assert {one.token for one in fresh} == {2}
        positions = [one.position for one in found]
        assert store.remove(stale, positions) == 0
        assert store.park(stale, [Refusing(one, "late") for one in positions]) == 0
        forged = [Lease(one.partition, 3) for one in fresh]
        assert store.remove(forged, positions) == 0
        assert waiting(speaker) == 2
        assert other.remove(fresh, positions) == 2
        # Nor does it count as alive: it takes part again, and gets a share of what is released.
        assert store.attend("stale") == []
        assert len(other.attend("other")) == 8
        assert len(store.attend("stale")) == 8


def test_a_relay_that_stood_still_beyond_its_lease_publishes_nothing(
    speaker: Speaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(relaying, "LEASE", 0.0)
    speaker.say(StarSeen("Vega", 1))
    with running(Relay(speaker.store, lambda: RecordingBus(tmp_path / "record"))) as relay:
        time.sleep(0.3)
        assert relay.published == 0
        monkeypatch.setattr(relaying, "LEASE", 5.0)
        until(lambda: relay.published == 1)
    assert len(told(tmp_path / "record")) == 1


def test_in_the_end_it_is_forgotten_what_was_dropped(
    speaker: Speaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    speaker.say(StarSeen("Vega", 1))
    with closing(speaker.store()) as store:
        leases = store.attend("relay")
        (one,) = store.read(range(16), 9)
        store.park(leases, [Refusing(one.position, "too bright")])
        store.drop(one.event.id, "ada: a test")
        store.leave("relay")
        monkeypatch.setattr(relaying, "FORGET", 0.0)
        monkeypatch.setattr(relaying, "KEPT", 0.0)
        with running(Relay(speaker.store, lambda: RecordingBus(tmp_path / "record"))):
            until(lambda: not store.parked(9, dropped=True))


def test_what_follows_stays_where_it_is_if_what_it_was_behind_has_gone_back(speaker: Speaker):
    """The relay has read it as behind, and meanwhile somebody replays."""
    speaker.say(StarSeen("Vega", 1), StarSeen("Vega", 2))
    with closing(speaker.store()) as store, closing(speaker.store()) as other:
        leases = store.attend("relay")
        first, second = store.read(range(16), 9)
        assert store.park(leases, [Refusing(first.position, "too bright")]) == 1
        (behind,) = store.read(range(16), 9)
        assert behind.behind
        assert other.replay() == 1
        assert store.park(leases, [Refusing(behind.position, None)]) == 0
        assert [one.position for one in store.read(range(16), 9)] == [
            first.position,
            second.position,
        ]
        assert not any(one.behind for one in store.read(range(16), 9))


def test_an_earlier_event_is_behind_nobody(speaker: Speaker):
    """It was published, and its relay died before it could delete it, and after it had parked."""
    speaker.say(StarSeen("Vega", 1), StarSeen("Vega", 2), StarSeen("Vega", 3))
    with closing(speaker.store()) as store:
        leases = store.attend("relay")
        found = store.read(range(16), 9)
        store.park(leases, [Refusing(found[1].position, "too bright")])
        assert [one.behind for one in store.read(range(16), 9)] == [False, True]


def test_idle_it_is_told_soon(speaker: Speaker, tmp_path: Path):
    """The bound of the design is 250 ms; this one stands a busy machine."""
    bus = RecordingBus(tmp_path / "record")
    with running(Relay(speaker.store, lambda: bus)) as relay:
        until(lambda: speaker.rows("SELECT * FROM strangler_relay_process"))
        time.sleep(1)  # until it looks as rarely as it ever does
        began = time.monotonic()
        speaker.say(StarSeen("Vega", 1))
        until(lambda: relay.published == 1)
        assert time.monotonic() - began < 5 * 0.25
