"""Claims, what is parked, chunks in the order of bytes, and numbers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from strangler.ladder import Arm
from strangler.transfer.database import Parked, Session
from strangler.transfer.errors import Superseded
from strangler.transfer.postgres import PostgresDatabase
from tests.servers import Postgres
from tests.strangler.transfer.postgres.conftest import keys_of, start

pytestmark = pytest.mark.postgres
NOW = datetime(2026, 2, 3, tzinfo=UTC)


def test_claims_never_overlap_and_what_is_claimed_is_pending(
    session: Session, database: PostgresDatabase, app: psycopg.Connection
):
    start(session)
    app.execute("INSERT INTO category (name) SELECT 'c' || g FROM generate_series(1, 10) g")
    other, third = database.session(), database.session()
    with session.claim(6) as first, other.claim(6) as second:
        ids = [entry.id for entry in (*first.entries, *second.entries)]
        assert (len(first.entries), len(set(ids))) == (6, 10)
        with third.claim(6) as none:
            assert list(none.entries) == []
        assert [one.pending() for one in (session, other, third)] == [10, 10, 10]
    assert third.pending() == 0
    for one in (other, third):
        one.close()


def test_a_claim_that_breaks_off_is_given_back(session: Session, app: psycopg.Connection):
    start(session)
    app.execute("INSERT INTO category (name) VALUES ('one')")
    with pytest.raises(ZeroDivisionError), session.claim(6):
        raise ZeroDivisionError
    assert (session.pending(), len(keys_of(session)), session.pending()) == (1, 1, 0)


def test_rows_read_in_a_claim_are_those_committed_by_then(
    session: Session, app: psycopg.Connection
):
    start(session)
    app.execute("INSERT INTO category (name) VALUES ('one')")
    table = session.inspect("category")
    with session.claim(6):
        app.execute("UPDATE category SET name = 'two'")
        assert session.read(table, ("name",), [(1,), (2,)]) == {(1,): {"name": "two"}}
    assert session.pending() == 1


def test_a_lower_number_that_commits_later_is_not_lost(
    session: Session, app: psycopg.Connection, database: PostgresDatabase
):
    start(session)
    late = psycopg.connect(app.info.dsn)
    late.execute("INSERT INTO category (id, name) VALUES (1, 'late')")
    app.execute("INSERT INTO category (id, name) VALUES (2, 'early')")
    assert keys_of(session) == {("category", (2,))}
    assert session.pending() == 0
    late.commit()
    late.close()
    assert keys_of(session) == {("category", (1,))}


def test_what_is_parked_is_dirty_until_it_is_carried(session: Session, app: psycopg.Connection):
    start(session)
    app.execute("INSERT INTO category (name) VALUES ('one'), ('two')")
    with session.step(token=1, epoch=1) as step:
        step.park([Parked("category", (1,), "no room", NOW)])
        step.park([Parked("category", (1,), "still none", NOW)])
    assert session.pending() == 1
    assert session.parked() == [Parked("category", (1,), "still none", NOW)]
    assert session.dirty("category", [(1,), (2,), (3,)]) == {(1,), (2,)}
    keys_of(session)
    assert session.count_parked() == 1
    app.execute("UPDATE category SET name = 'eins' WHERE id = 1")
    keys_of(session)
    assert session.count_parked() == 0
    with session.step(token=1, epoch=1) as step:
        step.park([Parked("category", (1,), "again", NOW)])
        assert step.unpark("product") == 0
        assert step.unpark() == 1
    assert (session.count_parked(), keys_of(session)) == (0, {("category", (1,))})


def test_what_is_parked_while_it_is_claimed_stays_parked(
    session: Session, database: PostgresDatabase, app: psycopg.Connection
):
    start(session)
    parked = [Parked("category", (1,), "no", NOW)]
    with session.step(token=1, epoch=1) as step:
        step.park(parked)
    app.execute("INSERT INTO category (name) VALUES ('one')")
    other = database.session()
    with session.claim(10), other.step(token=1, epoch=1) as step:
        step.park(parked)
    assert (session.pending(), session.count_parked()) == (0, 1)
    other.close()


def test_numbers_go_on_and_never_back(session: Session, app: psycopg.Connection):
    assert session.last_number("category", "id") == 0
    for last, then in ((7, 7), (3, 7), (0, 7)):
        with session.step(token=1, epoch=1) as step:
            step.number_from("category", "id", last)
        assert session.last_number("category", "id") == then
    assert app.execute("INSERT INTO category (name) VALUES ('x') RETURNING id").fetchone() == (8,)
    assert session.last_number("category", "id") == 8
    assert session.last_number("product", "sku") == 0


def test_installing_at_once_is_installing_once(database: PostgresDatabase):
    failed: list[Exception] = []

    def install() -> None:
        session = database.session()
        try:
            session.install(owner=Arm.MONOLITH, epoch=1)
        except Exception as error:  # noqa: BLE001 - told below
            failed.append(error)
        session.close()

    threads = [threading.Thread(target=install) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failed == []
    session = database.session()
    assert session.missing() == []
    session.close()


def test_what_somebody_did_to_the_triggers_is_named_and_mended(
    session: Session, app: psycopg.Connection
):
    start(session)
    app.execute("DROP TRIGGER strangler_capture_delete ON product")
    app.execute("ALTER TABLE stock ENABLE TRIGGER strangler_capture_insert")
    app.execute("ALTER TABLE category DROP CONSTRAINT category_pkey CASCADE")
    app.execute("ALTER TABLE category ADD PRIMARY KEY (name)")
    said = session.missing()
    assert any("strangler_capture_delete of product is gone" in one for one in said)
    assert any("strangler_capture_insert of stock is on for ordinary" in one for one in said)
    assert any("strangler_capture_insert of category is not the one" in one for one in said)
    session.install(owner=Arm.MONOLITH, epoch=1)
    assert session.missing() == []
    app.execute("INSERT INTO category (name) VALUES ('one')")
    app.execute("DELETE FROM category")
    assert keys_of(session) == {("category", ("one",))}


@pytest.fixture
def german(postgres: Postgres) -> Iterator[tuple[str, Session]]:
    """A database whose text does not compare as bytes."""
    url = postgres.create()
    with psycopg.connect(url, autocommit=True) as app:
        app.execute('CREATE TABLE word (a text COLLATE "de-x-icu", b int, PRIMARY KEY (a, b))')
    session = PostgresDatabase(url, capability="words", arm=Arm.MONOLITH, tables=["word"]).session()
    session.install(owner=Arm.MONOLITH, epoch=1)
    session.seize(1)
    yield url, session
    session.close()
    postgres.drop(url)


def test_chunks_are_in_the_order_of_bytes(german: tuple[str, Session]):
    url, session = german
    words = ["a", "B", "ä", "Z", "z", "_", "ab", "A"]
    with psycopg.connect(url, autocommit=True) as app, app.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO word VALUES (%s, %s)", [(w, n) for w in words for n in (2, 1)]
        )
    ordered = sorted(
        ((w, n) for w in words for n in (1, 2)), key=lambda key: (key[0].encode(), key[1])
    )
    table = session.inspect("word")
    found, after = [], None
    while rows := session.chunk(table, ("b",), after, 3):
        found += [key for key, _ in rows]
        after = rows[-1][0]
    assert found == ordered
    bounded = session.chunk(table, ("b",), ordered[2], 100, until=ordered[9])
    assert [key for key, _ in bounded] == ordered[3:10]
    ends, after = [], None
    with session.step(token=1, epoch=1) as step:
        while (after := step.enqueue_chunk("word", after, 5)) is not None:
            ends.append(after)
    assert ends == [ordered[4], ordered[9], ordered[14], ordered[15]]
    assert keys_of(session) == {("word", key) for key in ordered}


def test_a_mover_that_was_stopped_finds_its_transaction_gone(
    session: Session, database: PostgresDatabase
):
    """Whoever is stopped inside a step holds the owner row for so long, and no longer."""
    row = session._link.connection.execute(  # type: ignore[attr-defined]
        "SELECT current_setting('idle_in_transaction_session_timeout')"
    ).fetchone()
    assert row not in {None, ("0",)}
    other = database.session()
    other._link.connection.execute("SET idle_in_transaction_session_timeout = '100ms'")  # type: ignore[attr-defined]
    with pytest.raises(Exception, match="idle"), other.step(token=1, epoch=1) as step:  # noqa: PT012
        threading.Event().wait(0.5)
        step.record(owner=Arm.SERVICE, epoch=2, frozen=False)
    assert session.seize(2).epoch == 1
    with pytest.raises(Superseded), session.step(token=1, epoch=1):
        pytest.fail("it is over")


def test_quietening_keeps_autovacuum_off(session: Session, app: psycopg.Connection):
    query = "SELECT reloptions FROM pg_class WHERE relname = 'product'"
    app.execute("ALTER TABLE product SET (fillfactor = 90)")
    session.quieten(on=True)
    assert app.execute(query).fetchone() == (["fillfactor=90", "autovacuum_enabled=false"],)
    session.quieten(on=False)
    assert app.execute(query).fetchone() == (["fillfactor=90"],)
