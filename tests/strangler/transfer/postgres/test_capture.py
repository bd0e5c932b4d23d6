"""What the capture triggers see, and how little they cost to be trusted with."""

from __future__ import annotations

import psycopg
import pytest

from strangler.ladder import Arm
from strangler.transfer.database import Change, Session
from strangler.transfer.postgres import PostgresDatabase
from tests.strangler.transfer.postgres.conftest import Connect, fence, keys_of, start

pytestmark = pytest.mark.postgres


@pytest.fixture(autouse=True)
def _captured(session: Session) -> None:
    start(session)


def test_every_way_to_write_is_seen(session: Session, app: psycopg.Connection):
    app.execute("INSERT INTO category (name) SELECT 'c' || g FROM generate_series(1, 3) g")
    assert keys_of(session) == {("category", (1,)), ("category", (2,)), ("category", (3,))}
    with app.cursor() as cursor, cursor.copy("COPY product (sku, title) FROM STDIN") as copy:
        copy.write_row(("a", "A"))
        copy.write_row(("b", "B"))
    assert keys_of(session) == {("product", ("a",)), ("product", ("b",))}
    app.execute(
        "INSERT INTO product (sku, title) VALUES ('a', 'x'), ('c', 'C')"
        " ON CONFLICT (sku) DO UPDATE SET title = 'again'"
    )
    assert keys_of(session) == {("product", ("a",)), ("product", ("c",))}
    app.execute("INSERT INTO product (sku, title) VALUES ('a', 'x') ON CONFLICT DO NOTHING")
    app.execute("UPDATE product SET title = 'y' WHERE false")
    assert keys_of(session) == set()
    app.execute("WITH gone AS (DELETE FROM product WHERE sku = 'c' RETURNING 1) SELECT 1")
    assert keys_of(session) == {("product", ("c",))}
    app.execute(
        "MERGE INTO product p USING (VALUES ('a'), ('m')) v(sku) ON p.sku = v.sku"
        " WHEN MATCHED THEN UPDATE SET title = 'm'"
        " WHEN NOT MATCHED THEN INSERT (sku, title) VALUES (v.sku, 'new')"
    )
    assert keys_of(session) == {("product", ("a",)), ("product", ("m",))}


def test_cascades_and_truncate_are_seen(session: Session, app: psycopg.Connection):
    app.execute("INSERT INTO category (name) VALUES ('one'), ('two')")
    app.execute("INSERT INTO product (sku, category_id, title) VALUES ('a', 1, 'A'), ('b', 2, 'B')")
    app.execute("INSERT INTO stock (sku, place) VALUES ('a', 7), ('b', 8)")
    keys_of(session)
    app.execute("DELETE FROM category WHERE id = 1")
    assert keys_of(session) == {("category", (1,)), ("product", ("a",)), ("stock", ("a", 7))}
    app.execute("TRUNCATE category CASCADE")
    assert keys_of(session) == {("category", (2,)), ("product", ("b",)), ("stock", ("b", 8))}


def test_a_key_that_changes_is_two_keys_and_one_that_stays_is_one(
    session: Session, app: psycopg.Connection
):
    app.execute("INSERT INTO product (sku, title) VALUES ('a', 'A'), ('b', 'B')")
    keys_of(session)
    app.execute("UPDATE product SET sku = sku || '2'")
    assert session.pending() == 4
    assert keys_of(session) == {("product", (sku,)) for sku in ("a", "a2", "b", "b2")}
    app.execute("UPDATE product SET title = 'x'")
    assert session.pending() == 2


def test_a_replica_s_session_does_not_evade_capture(session: Session, app: psycopg.Connection):
    app.execute("SET session_replication_role = replica")
    app.execute("INSERT INTO product (sku, title) VALUES ('a', 'A')")
    assert keys_of(session) == {("product", ("a",))}


def test_what_is_rolled_back_was_never_dirty(session: Session, app: psycopg.Connection):
    with app.transaction(force_rollback=True):
        app.execute("INSERT INTO product (sku, title) VALUES ('a', 'A')")
    assert session.pending() == 0


@pytest.mark.parametrize(
    ("ending", "writer", "door"),
    [
        ("/*strangler door=1 by=catalog.views.Products*/", "catalog.views.Products", True),
        ("/*strangler door=0 by=celery.reindex*/ ;\n", "celery.reindex", False),
        ("", "shop/postgres", False),
        ("/*strangler door=1 by=x*/ -- no end", "shop/postgres", False),
    ],
)
def test_a_writer_is_named(
    session: Session, app: psycopg.Connection, ending: str, writer: str, *, door: bool
):
    app.execute("INSERT INTO category (name) VALUES ('/*strangler door=1 by=forged*/') " + ending)  # noqa: S608 - ours
    with session.claim(10) as claim:
        (entry,) = claim.entries
    assert (entry.writer, entry.door) == (writer, door)


def test_awkward_keys_survive(session: Session, app: psycopg.Connection):
    awkward = ['quo"te', "back\\slash", "new\nline", "tab\t", "grüße 😀", "", "\x01\x7f"]
    for sku in awkward:
        app.execute("INSERT INTO product (sku, title) VALUES (%s, 'x')", [sku])
    assert session.dirty("product", [(sku,) for sku in [*awkward, "clean"]]) == {
        (sku,) for sku in awkward
    }
    assert keys_of(session) == {("product", (sku,)) for sku in awkward}


def test_keys_do_not_depend_on_the_writer_s_settings(postgres_url: str):
    with psycopg.connect(postgres_url, autocommit=True) as app:
        app.execute(
            "CREATE TABLE odd (at timestamptz, raw bytea, day date, real float8, n numeric,"
            " PRIMARY KEY (at, raw, day, real, n))"
        )
        session = PostgresDatabase(
            postgres_url, capability="odd", arm=Arm.MONOLITH, tables=["odd"]
        ).session()
        session.install(owner=Arm.MONOLITH, epoch=1)
        session.seize(1)
        start(session)
        app.execute(
            "INSERT INTO odd"
            " VALUES ('2026-02-03 04:05:06.07+00', '\\xff00', '2026-02-03', 0.1, 1.50)"
        )
        app.execute("SET TimeZone = 'Asia/Kolkata'")
        app.execute("SET DateStyle = 'SQL, DMY'")
        app.execute("SET bytea_output = escape")
        app.execute("SET extra_float_digits = -10")
        app.execute("UPDATE odd SET n = n")
        with session.claim(10) as claim:
            first, second = claim.entries
        assert first.key == second.key
        assert list(session.read(session.inspect("odd"), ("n",), [first.key])) == [first.key]
        session.close()


def test_the_mover_s_own_rows_are_not_captured_and_the_application_can_not_hide(
    session: Session, app: psycopg.Connection, connect: Connect
):
    with session.applying(token=1, epoch=1, keys=[("category", (1,))]) as writer:
        writer.write("category", Change(("id", "name"), [(1, "by the mover")]))
        writer.write("product", Change(("sku", "category_id", "title"), [("a", 1, "A")]))
        writer.write("category", Change(("id", "name"), gone=[(1,)]))
    assert session.pending() == 0
    # The same connection, once it applies no more, is anybody's.
    session.beat(1)
    assert keys_of(session) == {("strangler_heartbeat", ("catalog",))}
    app.execute("CREATE ROLE shop LOGIN")
    app.execute("GRANT ALL ON category TO shop")
    try:
        shop = connect("shop")
        with shop.transaction():
            shop.execute("SELECT set_config('strangler.mover', 'catalog', true)")
            shop.execute("INSERT INTO category (id, name) VALUES (5, 'hidden')")
        assert keys_of(session) == {("category", (5,))}
        shop.close()
    finally:
        app.execute("DROP OWNED BY shop")
        app.execute("DROP ROLE shop")


def test_the_canary_sings_only_where_rows_are_owned(session: Session):
    session.beat(4)
    number, age = session.heard() or (0, 99.0)
    assert (number, age < 5) == (4, True)
    with session.claim(10) as claim:
        (entry,) = claim.entries
    assert (entry.table, entry.door) == ("strangler_heartbeat", True)
    with session.step(token=1, epoch=1) as step:
        step.record(owner=Arm.MONOLITH, epoch=1, frozen=True)
    session.beat(5)
    assert (session.pending(), (session.heard() or (0,))[0]) == (0, 4)


def test_a_fenced_write_leaves_no_dirty_key(session: Session, app: psycopg.Connection):
    fence(session, up=True)
    with pytest.raises(psycopg.DatabaseError):
        app.execute("INSERT INTO product (sku, title) VALUES ('a', 'A')")
    assert session.pending() == 0
