"""What ends a transaction is told to callers as it is: to go to the owner, or to come again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from strangler.ladder import Arm
from strangler.ports import headers as names
from strangler.ports.answer import Refusal
from strangler.ports.context import Context, use
from strangler.sqlalchemy.database import Away, Database, Interrupted
from strangler.transfer.connect import database as transferred
from strangler.transfer.database import Session

INSERT = text("INSERT INTO plants (id, name) VALUES (1, 'fern')")
Owned = Callable[..., None]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'garden.sqlite3'}"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with Database(url) as database:
        with database.transaction() as session:
            session.execute(text("CREATE TABLE plants (id integer PRIMARY KEY, name text)"))
        yield database


@pytest.fixture
def owned(url: str, database: Database) -> Iterator[Owned]:
    """Let somebody own the rows, and fence this side if it is not the owner."""
    mover: Session = transferred(
        url, capability="garden", arm=Arm.SERVICE, tables=["plants"]
    ).session()
    mover.install(owner=Arm.SERVICE, epoch=3)
    mover.seize(1)

    def owned(by: Arm, *, frozen: bool = False) -> None:
        now = mover.owner()
        assert now is not None
        with mover.step(token=1, epoch=now.epoch) as step:
            step.record(owner=by, epoch=now.epoch + 1, frozen=frozen)
            step.fence(up=frozen or by is Arm.MONOLITH, patience=2)

    yield owned
    mover.close()


def planted(database: Database) -> int:
    with database.reading() as session:
        return int(session.scalar(text("SELECT count(*) FROM plants")) or 0)


def test_a_write_that_the_fence_refuses_is_sent_to_the_owner(database: Database, owned: Owned):
    owned(Arm.MONOLITH)
    with pytest.raises(Refusal) as caught, database.transaction() as session:
        session.execute(INSERT)
    answer = caught.value.answer()
    assert answer.status == 421
    assert answer.headers[names.EXECUTED] == "no"
    if not database.sqlite:  # its triggers have no words for a number
        assert answer.headers[names.EPOCH] == "4"
    assert answer.headers[names.OWNER] == "monolith"
    assert planted(database) == 0


def test_during_a_freeze_it_is_sent_again(database: Database, owned: Owned):
    owned(Arm.SERVICE, frozen=True)
    with pytest.raises(Refusal) as caught, database.transaction() as session:
        session.execute(INSERT)
    answer = caught.value.answer()
    assert (answer.status, caught.value.error) == (503, "DoorShut")
    assert answer.headers["Retry-After"] == "1"


def test_nobody_takes_the_fence_for_broken_integrity(database: Database, owned: Owned):
    """As whoever makes what may be there already would."""
    owned(Arm.MONOLITH)
    with pytest.raises(Refusal):
        get_or_create(database)
    owned(Arm.SERVICE)
    get_or_create(database)
    get_or_create(database)
    assert planted(database) == 1


def get_or_create(database: Database) -> None:
    with (
        database.transaction() as session,
        contextlib.suppress(IntegrityError),
        session.begin_nested(),
    ):
        session.execute(INSERT)


def test_a_call_that_has_committed_something_does_not_deny_it(database: Database, owned: Owned):
    with use(Context(hops=1)):
        with database.transaction() as session:
            session.execute(INSERT)
        owned(Arm.MONOLITH)
        with pytest.raises(Interrupted), database.transaction() as session:
            session.execute(text("DELETE FROM plants"))
    with use(Context(hops=1)), pytest.raises(Refusal), database.transaction() as session:
        session.execute(text("DELETE FROM plants"))
    assert planted(database) == 1


def test_what_was_rolled_back_was_not_committed(database: Database, owned: Owned):
    with use(Context(hops=1)):
        with pytest.raises(IntegrityError), database.transaction() as session:
            session.execute(text(f"{INSERT}, (1, 'moss')"))
        owned(Arm.MONOLITH)
        with pytest.raises(Refusal), database.transaction() as session:
            session.execute(INSERT)


@pytest.mark.postgres
def test_a_connection_that_breaks_half_way_has_done_nothing(postgres_url: str):
    with Database(postgres_url) as database:
        with database.transaction() as session:
            session.execute(text("CREATE TABLE plants (id integer PRIMARY KEY, name text)"))
        with pytest.raises(Away) as caught:
            broken_off(database)
        assert caught.value.answer().status == 503
        assert caught.value.answer().headers[names.EXECUTED] == "no"
        assert planted(database) == 0


def broken_off(database: Database) -> None:
    with database.transaction() as session:
        session.execute(INSERT)
        number = session.scalar(text("SELECT pg_backend_pid()"))
        with database.transaction() as other:
            other.execute(text("SELECT pg_terminate_backend(:number)"), {"number": number})
        session.execute(INSERT)
