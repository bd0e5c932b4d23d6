"""A rehearsal writes whatever it likes, and nothing of it ever lasts."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from strangler.ladder import Arm
from strangler.ports.answer import Refusal
from strangler.ports.rehearsal import Run, within
from strangler.sqlalchemy import rehearsing
from strangler.sqlalchemy.database import Database
from strangler.sqlalchemy.rehearsing import DatabaseRehearsal
from strangler.transfer.database import Change
from tests.servers import Postgres
from tests.strangler.transfer.sides import CAPABILITY, PostgresSide, Side

LABEL = "INSERT INTO label (name, colour) VALUES ('new', 'red')"


@pytest.fixture
def database(side: Side) -> Iterator[Database]:
    """The service's, whose rows are the monolith's, and one of them is there."""
    app = side.application()
    app.run("INSERT INTO label (name, colour) VALUES ('old', 'blue')")
    side.installed(arm=Arm.SERVICE)
    with Database(side.url) as database:
        yield database


@pytest.fixture
def rehearsal(database: Database) -> Iterator[DatabaseRehearsal]:
    with closing(database.rehearsal(CAPABILITY)) as rehearsal:
        rehearsal.begin()
        yield rehearsal


def rehearsed(database: Database, *commands: Callable[[Session], Any]) -> Run:
    """What each of these transactions would have written."""
    rehearsal = database.rehearsal(CAPABILITY)
    rehearsal.begin()
    try:
        with within(rehearsal):
            for command in commands:
                with database.transaction() as session:
                    command(session)
        return rehearsal.end(200)
    finally:
        rehearsal.close()


def does(sql: str) -> Callable[[Session], Any]:
    return lambda session: session.execute(text(sql))


def labels(side: Side) -> list[Any]:
    return sorted(map(tuple, side.application().run("SELECT name, colour FROM label")))


OLD = [("old", "blue")]


def test_what_it_writes_is_told_and_gone(side: Side, database: Database):
    run = rehearsed(
        database,
        does(LABEL),
        does("UPDATE label SET colour = 'green' WHERE name = 'new'"),
        does("DELETE FROM label WHERE name = 'old'"),
    )
    assert not run.impossible
    assert {(one.table, *one.key): (one.before, one.after) for one in run.written} == {
        ("label", "new"): (None, {"name": "new", "colour": "green"}),
        ("label", "old"): ({"name": "old", "colour": "blue"}, None),
    }
    assert labels(side) == OLD


def test_what_comes_to_nothing_is_not_told(side: Side, database: Database):
    run = rehearsed(
        database,
        does("UPDATE label SET colour = 'blue'"),
        does("INSERT INTO label (name) VALUES ('old') ON CONFLICT DO NOTHING"),
        does(LABEL),
        does("DELETE FROM label WHERE name = 'new'"),
    )
    assert not run.impossible
    assert run.written == []
    assert labels(side) == OLD


def test_a_part_that_fails_is_undone_alone(
    side: Side, database: Database, rehearsal: DatabaseRehearsal
):
    with within(rehearsal):
        with pytest.raises(SQLAlchemyError), database.transaction() as session:
            does(f"{LABEL}, ('new', 'twice')")(session)
        with database.transaction() as session, session.begin_nested():
            session.execute(text("INSERT INTO label (name) VALUES ('other')"))
        with database.reading() as session:
            assert session.execute(text("SELECT count(*) FROM label")).scalar() == 2
    assert [one.key for one in rehearsal.end(200).written] == [["other"]]
    assert labels(side) == OLD


def commit_by_hand(session: Session) -> None:
    session.execute(text(LABEL))
    session.connection().connection.commit()
    session.execute(text("INSERT INTO label (name) VALUES ('more')"))


def commit_in_sql(session: Session) -> None:
    session.execute(text(LABEL))
    session.connection().exec_driver_sql("COMMIT")


def check_at_once(session: Session) -> None:
    session.execute(text(LABEL))
    session.connection().exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")


def begin_anew(session: Session) -> None:
    raw = session.connection().connection.driver_connection
    raw.rollback()
    session.connection().exec_driver_sql(LABEL)
    raw.commit()


def delete_the_lock(session: Session) -> None:
    session.execute(text(LABEL))
    session.connection().exec_driver_sql("DELETE FROM strangler_rehearsal")
    session.connection().connection.commit()


def let_go_of_foreign_keys(session: Session) -> None:
    session.execute(text(LABEL))
    session.connection().exec_driver_sql("PRAGMA foreign_keys = OFF")
    session.connection().exec_driver_sql("PRAGMA defer_foreign_keys = OFF")
    session.connection().connection.commit()


@pytest.mark.parametrize(
    "attempt",
    [commit_by_hand, commit_in_sql, check_at_once, begin_anew, delete_the_lock,
     let_go_of_foreign_keys],
)  # fmt: skip
def test_nothing_can_be_committed(
    side: Side, database: Database, attempt: Callable[[Session], None]
):
    with pytest.raises((SQLAlchemyError, Refusal, sqlite3.Error, psycopg.Error)):
        rehearsed(database, attempt)
    assert labels(side) == OLD
    assert "fence" in side.application().refuses(LABEL)


def test_a_session_that_commits_goes_on(
    side: Side, database: Database, rehearsal: DatabaseRehearsal
):
    def command(session: Session) -> None:
        session.execute(text(LABEL))
        session.commit()
        session.execute(text("UPDATE label SET colour = 'green' WHERE name = 'new'"))

    with within(rehearsal), rehearsal.session() as session:
        command(session)
        session.commit()
    assert [one.after for one in rehearsal.end(200).written] == [{"name": "new", "colour": "green"}]
    assert labels(side) == OLD


def test_a_connection_of_its_own_is_refused(
    side: Side, database: Database, rehearsal: DatabaseRehearsal
):
    with within(rehearsal):
        with database.transaction():
            if side.kind == "postgres":
                with pytest.raises(Refusal, match="owns"), database.engine.begin() as other:
                    other.exec_driver_sql(LABEL)
        rehearsal.close()
        with pytest.raises(Refusal, match="owns"), database.engine.begin() as other:
            other.exec_driver_sql(LABEL)
    assert labels(side) == OLD


def test_it_is_executed_twice_from_the_same_beginning(
    side: Side, database: Database, rehearsal: DatabaseRehearsal
):
    runs = []
    for _ in range(2):
        with within(rehearsal), database.transaction() as session:
            session.execute(text(LABEL))
            session.execute(text("UPDATE label SET colour = colour || '!' WHERE name = 'old'"))
        runs.append(rehearsal.end(200))
    assert runs[0] == runs[1]
    assert {one.key[0]: one.after and one.after["colour"] for one in runs[0].written} == {
        "new": "red",
        "old": "blue!",
    }
    rehearsal.close()
    assert labels(side) == OLD


def test_the_mover_waits_for_it_and_not_for_long(
    side: Side, database: Database, rehearsal: DatabaseRehearsal
):
    session = side.session(arm=Arm.SERVICE)
    with within(rehearsal), database.transaction() as other:
        other.execute(text("SELECT 1"))
    later = threading.Timer(0.2, rehearsal.close)
    later.start()
    began = time.monotonic()
    with session.applying(token=0, epoch=1, keys=[("label", ("by",))]) as writer:
        writer.write("label", Change(("name", "colour"), [("by", "mover")]))
    assert 0.1 < time.monotonic() - began < 2
    later.join()
    assert labels(side) == [("by", "mover"), *OLD]
    with closing(database.rehearsal(CAPABILITY)) as again:
        again.begin()
        with within(again), database.transaction() as other:
            other.execute(text("SELECT 1"))
        assert again.end(200).began == session.applied == 1


def _writes_beside(database: Database, session: Any) -> None:
    """The mover goes on while a command is under way, and the command then wants to."""
    with database.transaction() as other:
        does(LABEL)(other)
        with session.applying(token=0, epoch=1, keys=[]) as writer:
            writer.write("label", Change(("name", "colour"), [("by", "mover")]))
        does(LABEL)(other)


def test_what_takes_too_long_is_abandoned(
    side: Side, database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rehearsing, "LONGEST", 0.1)
    session = side.session(arm=Arm.SERVICE)
    with closing(database.rehearsal(CAPABILITY)) as rehearsal:
        rehearsal.begin()
        with pytest.raises((SQLAlchemyError, Refusal)), within(rehearsal):
            _writes_beside(database, session)
        assert "takes longer" in rehearsal.end(200).impossible
    assert labels(side) == [("by", "mover"), *OLD]


@pytest.mark.postgres
def test_a_role_needs_no_privilege_that_it_has_not_got(postgres: Postgres):
    """It may write its rows, and neither read what was delivered nor undo what dooms it."""
    url = postgres.create()
    side = PostgresSide(url)
    app = side.application()
    side.installed(arm=Arm.SERVICE)
    app.run("CREATE ROLE clerk LOGIN")
    app.run("GRANT SELECT, INSERT, UPDATE, DELETE ON label TO clerk")
    with Database(url.replace("postgres@", "clerk@")) as database:
        assert [one.key for one in rehearsed(database, does(LABEL)).written] == [["new"]]
        for sql in (
            "DELETE FROM strangler_rehearsal",
            "INSERT INTO strangler_rehearsal (capability, xact) VALUES ('catalog', '3'::xid8)",
            "SELECT * FROM strangler_delivered",
            "ALTER TABLE strangler_rehearsal DISABLE TRIGGER strangler_never",
        ):
            with pytest.raises(SQLAlchemyError, match=r"permission denied|must be owner"):
                rehearsed(database, does(sql))
    assert labels(side) == []
    app.run("DROP OWNED BY clerk")
    app.run("DROP ROLE clerk")
    side.close()
    postgres.drop(url)


def test_truncate_is_refused(side: Side, database: Database):
    if side.kind == "postgres":
        with pytest.raises(Refusal):
            rehearsed(database, does("TRUNCATE label"))
        assert labels(side) == OLD


def test_where_nothing_is_fenced_nothing_is_rehearsed(side: Side, database: Database):
    session = side.session(arm=Arm.SERVICE)
    with session.step(token=0, epoch=1) as step:
        step.fence(up=False, patience=5)
    with closing(database.rehearsal(CAPABILITY)) as rehearsal:
        rehearsal.begin()
        with within(rehearsal), pytest.raises(Refusal), database.transaction():
            pass
        assert "not fenced" in rehearsal.end(503).impossible
    assert labels(side) == OLD


def test_where_transfer_is_not_installed_nothing_is_rehearsed(side: Side):
    with Database(side.url) as database, closing(database.rehearsal(CAPABILITY)) as rehearsal:
        rehearsal.begin()
        with within(rehearsal), pytest.raises(Refusal), database.transaction():
            pass
        assert "not installed" in rehearsal.end(503).impossible


def test_another_database_can_not_be_rehearsed(
    side: Side, database: Database, rehearsal: DatabaseRehearsal
):
    with (
        Database(side.url) as other,
        within(rehearsal),
        pytest.raises(Refusal),
        other.transaction(),
    ):
        pass
    assert "beside" in rehearsal.end(200).impossible
