"""Publishing in a service, on both databases: with its transaction, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from strangler.events.outbox import NotInTransaction, OutboxFull
from strangler.events.relaying import Relaying
from strangler.events.stores.connect import connect
from strangler.ladder import Arm
from strangler.ports.rehearsal import within
from strangler.sqlalchemy.database import Database
from strangler.sqlalchemy.events.publishing import Publisher
from strangler.sqlalchemy.events.tables import EventVersion
from strangler.transfer.connect import database as transferred
from tests.strangler.events.sample import StarSeen
from tests.strangler.events.speaking import SkyVersion, Speaker

events = Publisher(SkyVersion)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def speaker(request: pytest.FixtureRequest, tmp_path: Path) -> Speaker:
    if request.param == "postgres":
        return Speaker(str(request.getfixturevalue("postgres_url")))
    return Speaker(f"sqlite:///{tmp_path / 'sky.sqlite3'}")


@pytest.fixture
def database(speaker: Speaker) -> Iterator[Database]:
    with Database(speaker.url) as database:
        yield database


def rows(speaker: Speaker) -> list[tuple[str, int]]:
    return speaker.rows('SELECT aggregateid, version FROM strangler_outbox ORDER BY "position"')


def undone(database: Database) -> None:
    with database.transaction() as session:
        events.publish(session, StarSeen("Vega", 2))
        _ = 1 / 0


def test_it_is_said_with_the_transaction_or_not_at_all(speaker: Speaker, database: Database):
    with database.transaction() as session:
        assert events.publish(session, StarSeen("Vega", 1)).version == 1
    with pytest.raises(ZeroDivisionError):
        undone(database)
    with database.transaction() as session:
        published = events.publish_all(session, [StarSeen("Vega", 2), StarSeen("Sirius", 1)])
    assert [said.version for said in published] == [2, 1]
    assert rows(speaker) == [("Vega", 1), ("Vega", 2), ("Sirius", 1)]


def test_outside_a_transaction_nothing_can_be_said(speaker: Speaker, database: Database):
    with Session(database.engine) as session, pytest.raises(NotInTransaction):
        events.publish(session, StarSeen("Vega", 1))
    assert rows(speaker) == []


def test_a_rehearsal_says_nothing(speaker: Speaker, database: Database):
    mover = transferred(
        speaker.url, capability="sky", arm=Arm.SERVICE, tables=["sky_eventversion"]
    ).session()
    mover.install(owner=Arm.MONOLITH, epoch=1)
    mover.seize(1)
    with mover.step(token=1, epoch=1) as step:
        step.fence(up=True, patience=2)
    mover.close()
    rehearsal = database.rehearsal("sky")
    rehearsal.begin()
    with within(rehearsal), database.transaction() as session:
        assert events.publish(session, StarSeen("Vega", 1)).version == 1
    run = rehearsal.end(200)
    rehearsal.close()
    assert not run.impossible
    assert [one.table for one in run.written] == ["sky_eventversion"]
    assert rows(speaker) == []
    assert speaker.rows("SELECT * FROM sky_eventversion") == []


def test_a_full_outbox_takes_nothing_and_says_when_to_come_again(
    speaker: Speaker, database: Database
):
    little = Publisher(SkyVersion, limit=2)
    with pytest.raises(OutboxFull) as refused, database.transaction() as session:
        little.publish_all(session, [StarSeen("Vega", number) for number in range(3)])
    assert refused.value.answer().status == 503
    assert refused.value.answer().headers["Retry-After"] == "5"
    assert rows(speaker) == []


def test_versions_are_a_models():
    with pytest.raises(TypeError, match="mix EventVersion into one"):
        Publisher(EventVersion)


def test_a_service_relays_in_threads_of_its_own(
    speaker: Speaker, database: Database, redis_url: str
):
    with Relaying(speaker.url, bus=redis_url) as relaying:
        with database.transaction() as session:
            events.publish_all(session, [StarSeen("Vega", number) for number in range(5)])
        while relaying.relay.published < 5:
            threading.Event().wait(0.01)
    with closing(connect(speaker.url)) as store:
        assert store.backlog().relays == ()
