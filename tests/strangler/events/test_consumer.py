"""A consumer on both kinds of database: each effect once, in order per key, whatever fails."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from strangler.events import consumer as consuming
from strangler.events import declare, parking
from strangler.events.consumer import ATTEMPTS
from strangler.events.failing import Later, NotYet, TooMany
from strangler.events.subscribe import Handlers
from strangler.ladder import Arm
from strangler.ports import runtime
from strangler.ports.context import Context, current, use
from strangler.ports.errors import CallRefused, DoorShut, NotOwner, TimedOut, Unreachable
from strangler.sqlalchemy.events.ledger import consumer
from tests.servers import Postgres
from tests.strangler.events.listening import Inbox, Listener, ParkedEvent, poison, said, star
from tests.strangler.events.sample import CometGone, FishCaught, StarSeen


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('notes') / 'notes.sqlite3'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    made = server.create()
    yield made
    server.drop(made)


@pytest.fixture
def listener(url: str) -> Iterator[Listener]:
    """Who has heard of nothing yet."""
    made = Listener(url)
    for table in ("inbox", "parked_event", "effect"):
        made.run(f"DELETE FROM {table}")  # noqa: S608 - ours
    yield made
    made.close()


def test_each_effect_happens_once_however_often_and_in_whatever_order_it_is_told(
    listener: Listener,
) -> None:
    events = [star(name, number) for number in (1, 2, 3) for name in ("Vega", "Sirius")]
    listener.take(*events[:2], *events[:2])
    listener.take(*events)
    listener.take(*reversed(events))
    listener.take(*events[1:3])
    assert listener.effects() == {"Vega": [1, 2, 3], "Sirius": [1, 2, 3]}
    assert listener.parked() == []


def test_what_is_not_subscribed_to_is_let_go_and_odd_names_are_remembered(
    listener: Listener,
) -> None:
    listener.take(said(FishCaught("carp"), "carp", 1))
    odd = [
        msgspec.structs.replace(star(name, 1), id=long, partitionkey=long, sequence="none")
        for name, long in {"Vega": "a\0b", "Rigel": "ü" * 300, "Sirius": "x" * 65}.items()
    ]
    listener.take(*odd, *odd)
    listener.take(*odd)
    assert listener.effects() == {"Vega": [1], "Rigel": [1], "Sirius": [1]}
    listener.trouble = poison("Vega")
    more = [msgspec.structs.replace(one, id=f"{one.id}2") for one in odd]
    listener.take(*more)
    assert [one[2] for one in listener.parked()] == [1]


def test_a_poisoned_key_is_set_aside_in_order_and_the_others_flow_on(listener: Listener) -> None:
    events = [star(name, n) for n in (1, 2, 3) for name in ("Vega", "Sirius", "Rigel")]
    listener.trouble = poison("Sirius")
    listener.take(*events[:5])
    listener.take(*events[5:])
    listener.take(*events)  # again
    assert listener.effects() == {"Vega": [1, 2, 3], "Rigel": [1, 2, 3]}
    assert listener.parked() == [("Sirius", 1, 1), ("Sirius", 2, 0), ("Sirius", 3, 0)]
    assert parking.parked(listener.consumer)[0].reason == "ValueError: Sirius is not there"
    assert parking.retry(listener.consumer) == 0  # not due
    listener.trouble = poison()
    listener.due()
    assert parking.retry(listener.consumer) == 3
    assert listener.effects()["Sirius"] == [1, 2, 3]
    assert listener.parked() == []
    listener.take(star("Sirius", 4))
    assert listener.effects()["Sirius"] == [1, 2, 3, 4]


def test_it_is_given_up_after_its_attempts_until_somebody_replays_it(listener: Listener) -> None:
    listener.trouble = poison("Sirius")
    events = [star("Sirius", n) for n in (1, 2)]
    listener.take(*events)
    pauses = []
    for attempts in range(1, ATTEMPTS):
        (head, _) = parking.parked(listener.consumer)
        assert head.attempts == attempts
        assert head.due is not None
        pauses.append((head.due - head.at).total_seconds())
        listener.due()
        parking.retry(listener.consumer)
    assert pauses == sorted(pauses)
    assert pauses[0] > 0.5
    listener.due()
    assert parking.retry(listener.consumer) == 0
    assert listener.parked() == [("Sirius", 1, ATTEMPTS), ("Sirius", 2, 0)]
    assert parking.counted(listener.consumer) == (2, 1)
    listener.take(star("Sirius", 3))
    assert parking.replay(listener.consumer).handled == 0  # it fails still, and has attempts again
    assert listener.parked() == [("Sirius", 1, 1), ("Sirius", 2, 0), ("Sirius", 3, 0)]
    listener.trouble = poison()
    assert parking.replay(listener.consumer, key="sky.star/Sirius").handled == 3
    assert listener.effects() == {"Sirius": [1, 2, 3]}


def test_what_is_dropped_is_never_handled_and_what_waited_goes_on(listener: Listener) -> None:
    listener.trouble = poison("Sirius", "Rigel")
    first = star("Sirius", 1)
    listener.take(first, *(star("Sirius", n) for n in (2, 3)), star("Rigel", 1), star("Rigel", 2))
    listener.trouble = poison()
    for wrong in ({}, {"key": "a", "event": "b"}):
        with pytest.raises(ValueError, match="name the event"):
            parking.drop(listener.consumer, reason="a test", **wrong)
    with pytest.raises(ValueError, match="say why"):
        parking.drop(listener.consumer, reason=" ", event=first.id)
    (dropped,) = parking.drop(listener.consumer, reason="a test", event=first.id)
    assert dropped.event == first.id
    assert parking.retry(listener.consumer) == 2
    listener.take(first)
    assert listener.effects() == {"Sirius": [2, 3]}
    gone = parking.drop(listener.consumer, reason="a test", key="sky.star/Rigel")
    assert [one.version for one in gone] == [1, 2]
    assert listener.parked() == []
    listener.take(star("Rigel", 3))
    assert listener.effects()["Rigel"] == [3]


def test_what_a_newer_process_has_set_aside_an_older_one_does_not_lose(listener: Listener) -> None:
    """It would find nothing to do about it, and call that done, or use its attempts up."""
    older = Handlers("notes")
    seen: list[int] = []

    @older.on
    def see(event: CometGone) -> None:
        seen.append(event.number)

    old = consumer(older, listener.database, Inbox, ParkedEvent)
    listener.trouble = poison("Vega")
    listener.take(star("Vega", 1))
    listener.due()
    with old.transaction() as book:  # something was away for a moment
        comet = said(CometGone(7), "7", 1)
        book.remember([comet])
        book.park(comet, reason="away", due=datetime.now(UTC))
    with pytest.raises(Later, match="nobody here handles 'sky"):
        parking.retry(old, limit=1)
    assert parking.retry(old, limit=1) == 1  # what is put off keeps nothing else from its turn
    assert seen == [7]
    for _ in range(ATTEMPTS):
        listener.due()
        with pytest.raises(Later):
            parking.retry(old)
    (one,) = parking.parked(listener.consumer)
    assert (one.attempts, one.reason) == (1, "ValueError: Vega is not there")
    assert one.due is not None
    assert one.due > datetime.now(UTC)
    with pytest.raises(Later):
        parking.replay(old)
    listener.trouble = poison()
    assert parking.replay(listener.consumer).handled == 1
    assert listener.effects() == {"Vega": [1]}


def test_what_is_said_in_a_newer_schema_waits_for_who_knows_it(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its fields may be called the same, and mean something else."""
    known = declare.find("sky.star.seen")
    new = msgspec.structs.replace(star("Vega", 2), dataschema="urn:strangler:event:sky.star.seen:2")
    with pytest.raises(NotYet, match="reads schema 2 of 'sky"):
        listener.take(star("Vega", 1), new, star("Rigel", 1))
    with listener.consumer.transaction() as book:  # as a newer process has left it
        book.remember([new])
        book.park(new, reason="its own", due=datetime.now(UTC))
    with pytest.raises(Later, match="reads schema 2"):
        parking.retry(listener.consumer)
    (one,) = parking.parked(listener.consumer)
    assert (one.attempts, one.reason) == (1, "its own")
    assert listener.effects() == {"Vega": [1]}
    monkeypatch.setitem(declare._declared, known.name, dataclasses.replace(known, schema=2))
    assert parking.replay(listener.consumer).handled == 1
    assert listener.effects() == {"Vega": [1, 2]}


def test_a_replay_that_fails_half_way_keeps_the_order(listener: Listener) -> None:
    listener.trouble = poison("Sirius")
    listener.take(*(star("Sirius", n) for n in (1, 2, 3, 4)))

    def third(event: StarSeen) -> None:
        if event.number == 3:
            raise ValueError("not the third")

    listener.trouble = third
    assert parking.replay(listener.consumer).handled == 2
    listener.take(star("Sirius", 5))
    assert listener.effects() == {"Sirius": [1, 2]}
    assert listener.parked() == [("Sirius", 3, 1), ("Sirius", 4, 0), ("Sirius", 5, 0)]
    listener.trouble = poison()
    assert parking.replay(listener.consumer).handled == 3
    assert listener.effects() == {"Sirius": [1, 2, 3, 4, 5]}


def test_one_that_has_to_wait_holds_no_other_up(listener: Listener) -> None:
    listener.trouble = poison("Rigel", "Vega")
    listener.take(star("Rigel", 1), star("Vega", 1))

    def away(event: StarSeen) -> None:
        if event.name == "Rigel":
            raise Unreachable("away")

    listener.trouble = away
    assert parking.replay(listener.consumer).handled == 1
    assert listener.effects() == {"Vega": [1]}
    with pytest.raises(Later):
        parking.replay(listener.consumer)
    listener.trouble = poison()
    assert parking.replay(listener.consumer).handled == 1


@pytest.mark.parametrize("error", [Unreachable("away"), TimedOut("late"), DoorShut("shut")])
def test_what_would_hit_any_other_sets_nothing_aside(listener: Listener, error: Exception) -> None:
    def trouble(event: StarSeen) -> None:
        if event.name == "Sirius":
            raise error

    events = [star("Vega", 1), star("Vega", 2), star("Sirius", 1), star("Vega", 3)]
    listener.trouble = trouble
    for _ in range(2):
        with pytest.raises(Later) as held:
            listener.take(said(FishCaught("carp"), "carp", 1), *events)
        assert held.value.taken == 3
        assert listener.effects() == {"Vega": [1, 2]}  # what stood before it is done
    listener.trouble = poison()
    listener.take(*events)
    assert listener.effects() == {"Vega": [1, 2, 3], "Sirius": [1]}
    assert listener.parked() == []


def test_a_callee_that_will_never_take_it_is_poison(listener: Listener) -> None:
    def trouble(_: StarSeen) -> None:
        raise CallRefused("not you")

    listener.trouble = trouble
    listener.take(star("Vega", 1))
    assert listener.parked() == [("Vega", 1, 1)]


def test_an_event_that_nobody_can_read_is_poison(listener: Listener) -> None:
    bad = msgspec.structs.replace(star("Vega", 1), data=msgspec.Raw(b'{"name": 7}'))
    listener.take(bad, star("Vega", 2), star("Rigel", 1))
    assert listener.effects() == {"Rigel": [1]}
    assert listener.parked() == [("Vega", 1, 1), ("Vega", 2, 0)]
    assert "Unreadable" in parking.parked(listener.consumer)[0].reason


def test_a_failure_that_only_the_others_make_is_no_poison(listener: Listener) -> None:
    """A handler may fail for what others have left in the same transaction: it is tried alone."""
    seen = []

    def trouble(event: StarSeen) -> None:
        with listener.database.transaction() as session:
            seen.append(session)
            if event.name == "Rigel" and seen.count(session) > 1:
                raise ValueError("not in company")

    listener.trouble = trouble
    listener.take(star("Vega", 1), star("Rigel", 1), star("Vega", 2))
    assert listener.effects() == {"Vega": [1, 2], "Rigel": [1]}
    assert listener.parked() == []


def test_a_swallowed_error_of_the_database_loses_nothing(listener: Listener) -> None:
    """PostgreSQL would end such a transaction by undoing it, and say nothing."""

    def afterwards(event: StarSeen) -> None:
        if event.name != "Sirius":
            return
        with listener.database.reading() as session, suppress(DBAPIError):
            session.connection().exec_driver_sql("SELECT nonsense FROM nowhere")

    listener.afterwards = afterwards
    listener.take(star("Vega", 1), star("Sirius", 1), star("Vega", 2))
    effects, parked = listener.effects(), listener.parked()
    assert effects["Vega"] == [1, 2]
    assert ("Sirius" in effects) is listener.database.sqlite
    assert parked == ([] if listener.database.sqlite else [("Sirius", 1, 1)])


def test_a_database_that_breaks_off_sets_nothing_aside(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    if listener.database.sqlite:
        monkeypatch.setattr("strangler.sqlalchemy.database.PATIENCE", 0.1)
        listener = Listener(listener.url)
        other = listener.database.engine.raw_connection()
        other.execute("BEGIN IMMEDIATE")  # type: ignore[attr-defined]  # SQLite's
        with pytest.raises(Later):
            listener.take(star("Vega", 1))
        other.rollback()
        other.close()
        listener.close()
    else:

        def trouble(_: StarSeen) -> None:
            with listener.database.transaction() as session:
                session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

        listener.trouble = trouble
        with pytest.raises(Later):
            listener.take(star("Vega", 1))
    assert listener.effects() == {}
    assert listener.parked() == []


def test_slow_handlers_have_short_transactions(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a freeze, which waits for whoever is inside, has not long to wait."""
    monkeypatch.setattr(consuming, "SPELL", 0.0)
    monkeypatch.setattr(parking, "SPELL", 0.0)
    events = [star("Vega", n) for n in (1, 2, 3)]
    with pytest.raises(TooMany):
        listener.consumer.take(events, until=time.monotonic())
    assert listener.effects() == {"Vega": [1]}
    assert listener.consumer.size == 1
    listener.take(*events)
    assert listener.effects() == {"Vega": [1, 2, 3]}
    listener.trouble = poison("Sirius")
    listener.take(*(star("Sirius", n) for n in (1, 2, 3)))
    listener.trouble = poison()
    listener.due()
    assert parking.retry(listener.consumer) == 1  # what is behind it is due at once
    assert listener.parked() == [("Sirius", 2, 0), ("Sirius", 3, 0)]
    assert parking.retry(listener.consumer) == 1
    assert parking.replay(listener.consumer).handled == 1
    assert listener.effects()["Sirius"] == [1, 2, 3]
    monkeypatch.undo()
    listener.take(*(star("Vega", n) for n in (4, 5, 6)))
    assert listener.consumer.size > 1


def test_what_was_taken_long_ago_is_forgotten(listener: Listener) -> None:
    old, new = star("Vega", 1), star("Vega", 2)
    listener.take(old)
    listener.run("UPDATE inbox SET at = '2001-01-01 00:00:00.000000'")
    listener.take(new)
    assert parking.prune(listener.consumer) == 1
    assert parking.prune(listener.consumer, keep=timedelta(0)) == 1


def test_it_goes_in_by_the_door_and_only_where_the_rows_are(listener: Listener) -> None:
    held: list[str] = []

    @contextmanager
    def door(capability: str, _: float) -> Iterator[int | None]:
        held.append(capability)
        yield 3

    def inside(_: StarSeen) -> None:
        assert current().doors == ("notes@monolith",)
        assert current().trace is not None
        assert current().trace.trace == "4bf92f3577b34da6a3ce929d0e0e4736"
        assert current().cohort is not None

    def away(_: str, __: float) -> Any:
        raise NotOwner("elsewhere", owner=Arm.SERVICE, epoch=4)

    def shut(_: str, __: float) -> Any:
        raise DoorShut("later")

    listener.trouble = inside
    with runtime.configured(door=door):
        listener.take(star("Vega", 1))
        assert listener.consumer.owned()
    assert held == ["notes", "notes"]
    with runtime.configured(door=away):
        with pytest.raises(NotOwner):
            listener.take(star("Vega", 2))
        assert not listener.consumer.owned()
        with pytest.raises(NotOwner):
            parking.replay(listener.consumer, key="sky.star/Vega")
    with runtime.configured(door=shut), pytest.raises(Later):
        listener.take(star("Vega", 2))
    assert listener.effects() == {"Vega": [1]}
    assert listener.parked() == []


def test_where_no_door_says_so_whoever_put_it_together_does(listener: Listener) -> None:
    listener.consumer.owns = lambda: False
    with pytest.raises(NotOwner):
        listener.take(star("Vega", 1))
    listener.consumer.owns = lambda: True
    listener.take(star("Vega", 1))
    assert listener.effects() == {"Vega": [1]}


def test_nothing_is_consumed_for_a_shadow(listener: Listener) -> None:
    with use(Context(shadow=True)), pytest.raises(RuntimeError, match="shadow"):
        listener.take(star("Vega", 1))
    assert listener.effects() == {}


def test_many_that_take_the_same_at_once_do_it_once(listener: Listener) -> None:
    """A holder whose lease has ended may still be at work while the next one has begun."""
    events = [star(name, n) for n in range(1, 31) for name in ("Vega", "Sirius", "Rigel")]
    failures: list[BaseException] = []

    def work(start: int) -> None:
        for first in range(start, len(events), 7):
            while True:
                try:
                    listener.take(*events[max(0, first - 10) : first + 7])
                except Later:
                    continue
                except BaseException as error:  # noqa: BLE001 - told below
                    failures.append(error)
                break

    listener.trouble = lambda event: time.sleep(0.001 * (event.number % 3))
    threads = [threading.Thread(target=work, args=(0,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    wanted = list(range(1, 31))
    assert listener.effects() == {"Vega": wanted, "Sirius": wanted, "Rigel": wanted}


def test_what_comes_while_its_key_is_replayed_is_not_left_behind(listener: Listener) -> None:
    listener.trouble = poison("Vega")
    listener.take(star("Vega", 1))
    begun, go = threading.Event(), threading.Event()

    def trouble(event: StarSeen) -> None:
        if event.number == 1:
            begun.set()
            assert go.wait(20)

    listener.trouble = trouble
    replaying = threading.Thread(target=parking.replay, args=(listener.consumer,))
    replaying.start()
    assert begun.wait(20)
    taking = threading.Thread(target=listener.take, args=(star("Vega", 2),))
    taking.start()
    taking.join(0.2)
    go.set()
    replaying.join()
    taking.join()
    listener.due()
    parking.retry(listener.consumer)
    assert listener.effects() == {"Vega": [1, 2]}
    assert listener.parked() == []
