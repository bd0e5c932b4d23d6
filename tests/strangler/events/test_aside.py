"""What is set aside, in several places: each says for itself what it can't do."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from strangler.events import aside, parking
from strangler.events.aside import InboxPlace, OutboxPlace, OwnersPlace
from strangler.events.buses.push import Target
from strangler.events.elsewhere import ServicePlace
from strangler.events.failing import Later
from strangler.events.outbox import OutboxFull
from strangler.events.refilling import Incomplete, NoCopy, refill
from strangler.events.replayed import Replayed
from strangler.events.stores.connect import connect
from strangler.ports import runtime
from strangler.ports.errors import DoorShut, NotOwner, Unreachable
from strangler.ports.trust.keys import Keyring
from tests.servers import free_port
from tests.strangler.events.listening import Listener, poison, star
from tests.strangler.events.sample import StarSeen

FOREIGN = "some-other/one's id"


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(f"sqlite:///{tmp_path / 'notes.sqlite3'}")
    yield made
    made.close()


def no_keys() -> Keyring:
    raise AssertionError("the service is asked")


def _coded() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("unable to open")
    error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
    return error


def elsewhere() -> bool:
    return False


def test_one_that_refuses_keeps_no_other_from_it(listener: Listener, tmp_path: Path) -> None:
    other = Listener(f"sqlite:///{tmp_path / 'other.sqlite3'}")
    for one in (listener, other):
        one.trouble = poison("Vega")
        one.take(star("Vega", 1))
        one.trouble = poison()
    other.consumer.name, other.consumer.owns = "other", elsewhere
    url = f"sqlite:///{tmp_path / 'none.sqlite3'}"
    places = [
        OutboxPlace("outbox", lambda: connect(url)),
        InboxPlace(other.consumer),
        InboxPlace(listener.consumer),
    ]
    done, unable = aside.replayed(places, None)
    assert listener.effects() == {"Vega": [1]}
    assert done == {"notes": Replayed(1)}
    why = {one.place: one.refused for one in unable}
    assert "unable to open" in why["outbox"]
    assert "nothing says that this side owns other; if it is changing" in why["other"]
    found, refused = aside.listed(places, 10)
    assert [one.place for one in found] == ["other"], "that which is there can be looked at"
    assert [one.place for one in refused] == ["outbox"]
    other.close()


def test_whoever_owns_it_decides(listener: Listener, tmp_path: Path) -> None:
    """The side that does not own the rows has a copy of them, and may not touch it."""
    service = Listener(f"sqlite:///{tmp_path / 'service.sqlite3'}")
    owner = ["here"]
    listener.consumer.owns = lambda: owner[0] == "here"
    service.consumer.owns = lambda: owner[0] == "service"
    poisoned = star("Vega", 1)
    for one in (listener, service):
        owner[0] = "here" if one is listener else "service"
        one.trouble = poison("Vega")
        one.take(poisoned, star("Vega", 2))
        one.trouble = poison()
    place = OwnersPlace(InboxPlace(listener.consumer), InboxPlace(service.consumer))
    assert place.drop(poisoned.id, who="ada", reason="a test") == 1
    assert (place.count(), place.replay()) == (1, Replayed(1))
    assert (listener.effects(), service.effects()) == ({}, {"Vega": [2]})
    owner[0] = "here"
    assert len(place.listed(10)) == 2
    assert place.replay(poisoned.id) == Replayed(2)
    assert listener.effects() == {"Vega": [1, 2]}
    service.close()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DoorShut("its door did not open"), "while they change owner, .*its door did not open"),
        (OperationalError("no server", None, _coded()), "the database of notes is away"),
    ],
)
def test_while_nobody_can_say_who_owns_it_it_is_not_now(
    listener: Listener, error: Exception, said: str
) -> None:
    """The service, which is down, is not accused of it."""

    def door(_: str, __: float) -> AbstractContextManager[int | None]:
        raise error

    down = ServicePlace("notes", Target((f"http://127.0.0.1:{free_port()}",), "notes"), no_keys)
    place = OwnersPlace(InboxPlace(listener.consumer), down)
    deeds: list[Callable[[], object]] = [
        place.count,
        lambda: place.listed(1),
        place.replay,
        lambda: place.drop("x", who="ada", reason="a test"),
        place.anew,
    ]
    with runtime.configured(door=door):
        for deed in deeds:
            with pytest.raises(Later, match=said):
                deed()
        (one,) = aside.each([place], lambda one: one.count())
    assert one.refused.startswith("not now: ")
    assert one.refused.endswith("; try again")
    assert place.count() == 0


def test_an_id_is_whatever_whoever_said_it_has_given(listener: Listener) -> None:
    listener.trouble = poison("Vega", "Rigel", "Sirius")
    listener.take(
        msgspec.structs.replace(star("Vega", 1), id=FOREIGN),
        msgspec.structs.replace(star("Rigel", 1), id="x" * 500),
        ours := star("Sirius", 1),
    )
    listener.trouble = poison()
    place = InboxPlace(listener.consumer)
    nothing = OutboxPlace("outbox", lambda: connect("sqlite:///nowhere"))
    assert (nothing.replay(FOREIGN), nothing.drop(FOREIGN, who="a", reason="b")) == (None, None)
    assert (place.replay("unknown"), place.drop("unknown", who="a", reason="b")) == (None, None)
    assert place.replay(FOREIGN) == Replayed(1)
    assert place.drop("x" * 500, who="ada", reason="a test") == 0
    assert place.replay(ours.id.replace("-", "").upper()) == Replayed(1)
    assert listener.effects() == {"Vega": [1], "Sirius": [1]}
    assert parking.counted(listener.consumer) == (0, 0)


def test_what_fails_again_and_what_waits_is_told_apart(listener: Listener) -> None:
    listener.trouble = poison("Vega", "Rigel", "Sirius", "Deneb")
    events = [star(name, number) for name in ("Vega", "Rigel", "Sirius") for number in (1, 2, 3)]
    listener.take(*events, star("Deneb", 1))

    def trouble(event: StarSeen) -> None:
        poison("Vega")(event)
        if (event.name, event.number) in {("Rigel", 2), ("Sirius", 1)}:
            raise Unreachable("catalog is away")

    listener.trouble = trouble
    place = InboxPlace(listener.consumer)
    assert place.replay() == Replayed(2, 1, 2 + 2 + 3, "Unreachable: catalog is away")
    assert listener.effects() == {"Deneb": [1], "Rigel": [1]}
    assert place.replay(events[1].id) == Replayed(0, 1, 2), "of one aggregate"
    with pytest.raises(Later, match="catalog is away"):
        place.replay(events[6].id)
    listener.trouble = poison()
    assert place.replay() == Replayed(3 + 2 + 3)


def test_a_copy_is_filled_anew(listener: Listener) -> None:
    with pytest.raises(NoCopy, match=r"handlers\.anew"):
        refill(listener.consumer)
    listener.take(star("Vega", 1), star("Rigel", 1))
    asked: list[int] = []

    def ask() -> None:
        asked.append(len(listener.effects()))

    def empty() -> None:
        with listener.database.transaction() as session:
            session.execute(text("DELETE FROM effect"))

    listener.handlers.anew(empty=empty, ask=ask)
    assert refill(listener.consumer) == 1
    assert asked == [0], "it is empty before anybody says anything"
    listener.take(star("Vega", 2))
    assert listener.effects() == {"Vega": [2]}

    listener.consumer.owns = elsewhere
    with pytest.raises(NotOwner):
        refill(listener.consumer)
    assert listener.effects() == {"Vega": [2]}
    listener.consumer.owns = None

    away: Exception

    def ask_nobody() -> None:
        raise away

    listener.handlers.anew(empty=lambda: None, ask=ask_nobody)
    for away in (Unreachable("catalog is away"), OutboxFull(9, 8), sqlite3.OperationalError("x")):
        (done,) = aside.each([InboxPlace(listener.consumer)], lambda place: place.anew())
        said = f"not all of it is said again: do it once more: {type(away).__name__}: {away}"
        assert said in done.refused, "whatever has kept others from saying it"
        with pytest.raises(Incomplete) as incomplete:
            refill(listener.consumer)
        assert incomplete.value.__cause__ is away

    def broken() -> None:
        empty()
        raise ValueError("it can't be emptied")

    listener.take(star("Rigel", 2))
    listener.handlers.anew(empty=broken, ask=ask)
    with pytest.raises(Later, match="it can't be emptied"):
        refill(listener.consumer)
    assert listener.effects() == {"Rigel": [2]}, "all or nothing is emptied"
    assert len(asked) == 7
