"""Dropping an event which somebody is just handling: it says dropped only of what never happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from strangler.events import aside, parking
from strangler.events.aside import InboxPlace
from strangler.events.replayed import Gone
from tests.servers import Postgres
from tests.strangler.events.listening import Listener, poison, star
from tests.strangler.events.sample import StarSeen

PATIENCE = 60.0


@pytest.fixture
def listener(postgres: Postgres) -> Iterator[Listener]:
    url = postgres.create()
    made = Listener(url)
    yield made
    made.close()
    postgres.drop(url)


def waits(listener: Listener) -> bool:
    """Does anybody in this database wait for a lock?"""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
    with listener.database.engine.connect() as other:  # of its own: a transaction looks once
        return bool(other.scalar(text(asked + "wait_event_type = 'Lock'")))


@pytest.mark.postgres
@pytest.mark.parametrize("named", [1, 2])
def test_what_is_handled_meanwhile_is_not_dropped(listener: Listener, named: int) -> None:
    """The first of an aggregate, and one behind it, which the same transaction handles."""
    listener.trouble = poison("Vega")
    events = [star("Vega", 1), star("Vega", 2)]
    listener.take(*events)
    listener.due()
    dropped: list[int] = []
    said: list[str] = []

    def drop() -> None:
        try:
            gone = parking.drop(listener.consumer, event=events[named - 1].id, reason="a test")
            dropped.extend(one.version for one in gone)
        except Gone as error:
            said.append(str(error))

    dropping = threading.Thread(target=drop)

    def handled(event: StarSeen) -> None:
        if event.number > 1:
            return
        dropping.start()
        ends = time.monotonic() + PATIENCE
        while dropping.is_alive() and not waits(listener) and time.monotonic() < ends:
            time.sleep(0.01)

    listener.trouble = handled
    parking.retry(listener.consumer)
    dropping.join(PATIENCE)
    parking.replay(listener.consumer)
    happened = listener.effects().get("Vega", [])
    assert sorted(happened + dropped) == [1, 2], (happened, dropped)
    if not dropped:
        assert "it was handled" in said[0]


@pytest.mark.postgres
def test_whoever_asks_is_told_so(listener: Listener) -> None:
    listener.trouble = poison("Vega")
    listener.take(event := star("Vega", 1))
    place = InboxPlace(listener.consumer)
    with listener.database.engine.connect() as other:  # as whoever handles it
        other.execute(text("DELETE FROM parked_event"))
        dropping = threading.Thread(
            target=lambda: outcomes.extend(
                aside.each([place], lambda one: one.drop(event.id, who="ada", reason="a test"))
            )
        )
        outcomes: list[aside.Outcome] = []
        dropping.start()
        ends = time.monotonic() + PATIENCE
        while not waits(listener) and time.monotonic() < ends:
            time.sleep(0.01)
        other.commit()
    dropping.join(PATIENCE)
    (outcome,) = outcomes
    assert outcome.count is None
    assert "was set aside, and while this waited" in outcome.refused
    (again,) = aside.each([place], lambda one: one.drop(event.id, who="ada", reason="a test"))
    assert (again.count, again.refused) == (None, ""), "and it is not there"
