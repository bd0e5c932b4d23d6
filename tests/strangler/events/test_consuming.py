"""Threads that listen, over the queues of a real database: hand-overs, isolation, the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from strangler.events import consuming, parking
from strangler.events.buses import Bus
from strangler.events.buses.connect import connect
from strangler.events.consuming import Listening
from strangler.events.subscribe import Handlers
from strangler.ports.errors import Unreachable
from strangler.sqlalchemy.events.ledger import consumer
from tests.strangler.events.listening import Inbox, Listener, ParkedEvent, poison, said, star
from tests.strangler.events.sample import CometGone, StarSeen
from tests.strangler.events.speaking import Speaker

PATIENCE = 60.0
NAMES = ("Vega", "Sirius", "Rigel")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consuming, "EVERY", 0.05)


@pytest.fixture
def bus(tmp_path: Path) -> Callable[[], Bus]:
    speaker = Speaker(f"sqlite:///{tmp_path / 'sky.sqlite3'}")
    return partial(connect, "http", database=speaker.url, consumers=lambda _: ("notes", "other"))


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(f"sqlite:///{tmp_path / 'notes.sqlite3'}")
    yield made
    made.close()


def eventually(done: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_whoever_owns_listens_and_the_other_goes_on_where_it_was(
    listener: Listener, bus: Callable[[], Bus]
) -> None:
    """Both sides read one inbox here, as if it had travelled with the rows."""
    owner = ["one", "two"]
    sides = {}
    for side in owner:
        made = consumer(listener.handlers, listener.database, Inbox, ParkedEvent)
        made.owns = partial(lambda side: owner[0] == side, side)
        sides[side] = Listening([made], bus)

    def subscribed() -> list[str]:
        return [side for side, one in sides.items() if one.figures["notes"].subscribed]

    with ExitStack() as stack:
        speaking = stack.enter_context(bus())
        for side in sides.values():
            stack.enter_context(side)
        for number in range(1, 31):
            speaking.publish([star(name, number) for name in NAMES])
            if number % 10 == 0:
                eventually(lambda: owner[0] in subscribed())
                owner.reverse()
        wanted = {name: list(range(1, 31)) for name in NAMES}
        eventually(lambda: listener.effects() == wanted)
        eventually(lambda: subscribed() == owner[:1])


def test_one_that_fails_holds_no_other_up(listener: Listener, bus: Callable[[], Bus]) -> None:
    def away(_: StarSeen) -> None:
        raise Unreachable("away")

    other = Handlers("other")
    seen: list[int] = []

    @other.on
    def look(event: StarSeen) -> None:
        seen.append(event.number)

    listener.trouble = away
    both = [
        listener.consumer,
        consumer(other, Listener(f"{listener.url}2").database, Inbox, ParkedEvent),
    ]
    with bus() as speaking, Listening(both, bus) as listening:
        speaking.publish([star("Vega", 1), star("Vega", 2)])
        eventually(lambda: seen == [1, 2])
        assert listener.effects() == {}
        listener.trouble = poison()
        eventually(lambda: listener.effects() == {"Vega": [1, 2]})
        assert listening.figures["notes"].parked == 0


def test_what_is_set_aside_is_tried_again_and_the_old_forgotten(
    listener: Listener, bus: Callable[[], Bus]
) -> None:
    listener.trouble = poison("Vega")
    listener.take(star("Rigel", 1))
    listener.run("UPDATE inbox SET at = '2001-01-01 00:00:00.000000'")
    with bus() as speaking, Listening([listener.consumer], bus) as listening:
        figures = listening.figures["notes"]
        speaking.publish([star("Vega", 1), star("Vega", 2)])
        eventually(lambda: figures.parked == 2)
        listener.trouble = poison()
        listener.due()
        eventually(lambda: listener.effects().get("Vega") == [1, 2])
        eventually(lambda: figures.parked == 0)
    with listener.database.reading() as session:
        assert session.query(Inbox).count() == 2
    assert parking.counted(listener.consumer) == (0, 0)


def test_the_old_is_forgotten_though_what_is_set_aside_has_to_wait(
    listener: Listener, bus: Callable[[], Bus]
) -> None:
    listener.trouble = poison("Vega")
    listener.take(star("Rigel", 1), star("Vega", 1))
    listener.run("UPDATE inbox SET at = '2001-01-01 00:00:00.000000'")
    listener.due()

    def away(_: StarSeen) -> None:
        raise Unreachable("away")

    listener.trouble = away

    def remembered() -> int:
        with listener.database.reading() as session:
            return session.query(Inbox).count()

    with Listening([listener.consumer], None):
        eventually(lambda: remembered() == 0)
    assert parking.counted(listener.consumer) == (1, 0)


def test_what_a_newer_process_will_handle_is_kept_for_it(
    listener: Listener, bus: Callable[[], Bus], monkeypatch: pytest.MonkeyPatch
) -> None:
    """This one runs with the manifest of today, and the handlers of yesterday."""
    monkeypatch.setattr("strangler.events.failing.NOT_YET", 0.05)
    listener.consumer.told = frozenset({"sky.star.seen", "sky.comet.gone"})
    gone: list[int] = []
    with bus() as speaking:
        speaking.publish([said(CometGone(7), "7", 1)])
        with Listening([listener.consumer], bus):
            speaking.publish([star("Vega", 1)])
            time.sleep(0.3)
        with speaking.subscribe("notes", ["sky"]) as subscription:
            assert subscription.backlog() >= 1

        @listener.handlers.on
        def leave(event: CometGone) -> None:
            gone.append(event.number)

        with Listening([listener.consumer], bus):
            eventually(lambda: (gone, listener.effects()) == ([7], {"Vega": [1]}))
    assert listener.parked() == []


def test_what_comes_before_one_that_has_to_wait_does_not_come_again(
    listener: Listener, bus: Callable[[], Bus]
) -> None:
    """It would be handled anew, once the inbox has forgotten it."""
    listener.consumer.told = frozenset({"sky.star.seen", "sky.comet.gone"})
    first, last = star("Vega", 1), star("Vega", 2)
    comets = (said(CometGone(number), str(number), 1) for number in count())
    comet = next(one for one in comets if one.partition == first.partition)
    with bus() as speaking:
        speaking.publish([first, comet, last])
        with (
            Listening([listener.consumer], bus),
            speaking.subscribe("notes", ["sky"]) as subscription,
        ):
            eventually(lambda: subscription.backlog() == 2)
            assert listener.effects() == {"Vega": [1]}


def test_it_ends_after_what_it_is_about(listener: Listener, bus: Callable[[], Bus]) -> None:
    begun, ended = threading.Event(), []

    def slow(_: StarSeen) -> None:
        begun.set()
        time.sleep(0.3)

    listener.trouble = slow
    with bus() as speaking:
        speaking.publish([star("Vega", 1)])
        with Listening([listener.consumer], bus, ended=lambda: ended.append(1)):
            assert begun.wait(PATIENCE)
        assert listener.effects() == {"Vega": [1]}
        assert len(ended) == 2
        with speaking.subscribe("notes", ["sky"]) as subscription:
            assert subscription.backlog() == 0


def test_a_backlog_is_taken_with_little_at_once(
    listener: Listener, bus: Callable[[], Bus], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strangler.events.consumer.SPELL", 0.0)  # each its own transaction
    with bus() as speaking:
        speaking.publish([star("Vega", number) for number in range(1, 41)])
        listening = Listening([listener.consumer], bus)
        with listening:
            eventually(lambda: listening.figures["notes"].backlog is not None)
            eventually(lambda: len(listener.effects().get("Vega", [])) == 40)
    assert listener.effects() == {"Vega": list(range(1, 41))}
    assert listener.consumer.size <= 2
