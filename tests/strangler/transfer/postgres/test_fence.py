"""The fence against everything that was seen to slip past one."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import closing

import psycopg
import pytest

from strangler.ladder import Arm
from strangler.transfer.database import Change, Session
from strangler.transfer.errors import LockTimeout, Superseded, Unfit
from strangler.transfer.postgres import PostgresDatabase
from tests.strangler.transfer.postgres.conftest import Connect, fence, start

pytestmark = pytest.mark.postgres

WRITES = (
    "INSERT INTO product (sku, title) VALUES ('b', 'B')",
    "INSERT INTO product (sku, title) VALUES ('a', '') ON CONFLICT (sku) DO UPDATE SET title = 'x'",
    "INSERT INTO product (sku, title) VALUES ('a', 'B') ON CONFLICT DO NOTHING",
    "UPDATE product SET title = 'x'",
    "DELETE FROM product",
    "TRUNCATE product CASCADE",
    "MERGE INTO product USING (VALUES (1)) v ON sku = 'a' WHEN MATCHED THEN DELETE",
    "DELETE FROM category",
)


@pytest.fixture(autouse=True)
def _rows(session: Session, app: psycopg.Connection) -> None:
    start(session)
    app.execute("INSERT INTO category (name) VALUES ('one')")
    app.execute("INSERT INTO product (sku, category_id, title) VALUES ('a', 1, 'A')")


@pytest.mark.parametrize("role", ["origin", "replica"])
@pytest.mark.parametrize("write", WRITES)
def test_every_write_is_refused(session: Session, app: psycopg.Connection, write: str, role: str):
    fence(session, up=True)
    app.execute(f"SET session_replication_role = {role}")
    with pytest.raises(psycopg.DatabaseError) as caught:
        app.execute(write)
    assert caught.value.sqlstate == "SFNCE"
    assert "catalog" in str(caught.value)
    assert caught.value.diag.message_hint
    assert app.execute("SELECT sku, title FROM product").fetchall() == [("a", "A")]


def test_copy_is_refused(session: Session, app: psycopg.Connection):
    fence(session, up=True)
    with (
        pytest.raises(psycopg.DatabaseError, match="fence of catalog"),
        app.cursor() as cursor,
        cursor.copy("COPY product (sku, title) FROM STDIN") as copy,
    ):
        copy.write_row(("b", "B"))


def test_a_write_in_flight_is_waited_for_and_not_lost(
    session: Session, app: psycopg.Connection, connect: Connect
):
    """What a fence by REVOKE lets through."""
    app.execute("BEGIN")
    app.execute("UPDATE product SET title = 'in flight'")
    raised = threading.Event()

    def raising() -> None:
        fence(session, up=True, patience=10)
        raised.set()

    thread = threading.Thread(target=raising)
    thread.start()
    assert not raised.wait(0.3)
    app.execute("UPDATE product SET title = 'still'")
    app.execute("COMMIT")
    thread.join(10)
    assert raised.is_set()
    assert app.execute("SELECT title FROM product").fetchall() == [("still",)]
    with pytest.raises(psycopg.DatabaseError, match="fence"):
        app.execute("UPDATE product SET title = 'late'")


def test_readers_go_on_and_an_older_snapshot_is_refused(session: Session, app: psycopg.Connection):
    app.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    app.execute("SELECT * FROM product")
    fence(session, up=True, patience=1)
    assert app.execute("SELECT count(*) FROM product").fetchone() == (1,)
    with pytest.raises(psycopg.DatabaseError, match="fence"):
        app.execute("UPDATE product SET title = 'x'")
    app.execute("ROLLBACK")


_PREPARED = """
SELECT tgname FROM pg_trigger
 WHERE tgname LIKE 'strangler%' AND tgrelid = 'product'::regclass
   AND (tgtype & 1 = 1 OR tgoldtable IS NOT NULL OR tgnewtable IS NOT NULL)
 ORDER BY tgname
"""
"""The triggers of rows, and those with transition tables: they cost even while they are off."""


def test_what_is_off_costs_no_row_anything(session: Session, app: psycopg.Connection):
    def prepared() -> list[str]:
        return [name for (name,) in app.execute(_PREPARED).fetchall()]

    capture = [f"strangler_capture_{event}" for event in ("delete", "insert", "update")]
    assert prepared() == capture
    fence(session, up=True)
    assert prepared() == [*capture, "strangler_fence"]
    with session.step(token=1, epoch=1) as step:
        step.capture(on=False, patience=5)
    assert prepared() == ["strangler_fence"]
    assert session.missing() == []
    fence(session, up=False)
    assert prepared() == []
    assert session.missing() == []


def test_nobody_who_reads_is_waited_for_on_the_way_down(session: Session, app: psycopg.Connection):
    fence(session, up=True)
    app.execute("BEGIN")
    app.execute("SELECT * FROM product")
    fence(session, up=False, patience=0.5)
    app.execute("UPDATE product SET title = 'x'")
    app.execute("COMMIT")


def test_what_was_switched_by_hand_is_told(session: Session, app: psycopg.Connection):
    """ENABLE would make none of it a fence: what is off is a trigger of TRUNCATE."""
    with session.step(token=1, epoch=1) as step:
        step.capture(on=False, patience=5)
    app.execute("UPDATE strangler_owner SET fenced = true, capturing = true")
    app.execute("ALTER TABLE product ENABLE ALWAYS TRIGGER strangler_fence")
    app.execute("ALTER TABLE product ENABLE ALWAYS TRIGGER strangler_capture_insert")
    said = [one for one in session.missing() if "by hand" in one]
    assert said == [
        f"the trigger strangler_{name} of product was switched on by hand: install again"
        for name in ("fence", "capture_insert")
    ]
    session.install(owner=Arm.MONOLITH, epoch=1)
    assert session.missing() == []
    with pytest.raises(psycopg.DatabaseError, match="fence"):
        app.execute("UPDATE product SET title = 'x'")


def test_a_fence_that_is_gone_is_not_called_up(session: Session, app: psycopg.Connection):
    app.execute("DROP TRIGGER strangler_fence ON stock")
    with pytest.raises(Unfit, match="strangler_fence of stock is gone: install again"):
        fence(session, up=True)
    app.execute("UPDATE product SET title = 'x'")


def test_installing_again_takes_no_fence_down_that_is_going_up(
    session: Session, database: PostgresDatabase, app: psycopg.Connection
):
    """It waits for the step, instead of making the triggers that were right before."""
    app.execute(
        "CREATE OR REPLACE TRIGGER strangler_fence BEFORE TRUNCATE ON product"
        " FOR EACH STATEMENT EXECUTE FUNCTION strangler_refuse('catalog')"
    )
    with closing(database.session()) as other:
        again = threading.Thread(target=lambda: other.install(owner=Arm.MONOLITH, epoch=1))
        with session.step(token=1, epoch=1) as step:
            step.fence(up=True, patience=5)
            again.start()
            again.join(0.5)
            assert again.is_alive()
        again.join(20)
    assert session.missing() == []
    with pytest.raises(psycopg.DatabaseError, match="fence"):
        app.execute("UPDATE product SET title = 'x'")


def test_whoever_holds_a_table_is_named_and_nothing_is_fenced(
    session: Session, app: psycopg.Connection, connect: Connect
):
    app.execute("BEGIN")
    app.execute("INSERT INTO stock VALUES ('a', 1, 1)")
    pid = app.info.backend_pid
    began = time.monotonic()
    with pytest.raises(LockTimeout) as caught:
        fence(session, up=True, patience=0.5)
    assert time.monotonic() - began < 2
    assert f"pid {pid}" in str(caught.value)
    assert "shop" in str(caught.value)
    assert "idle in transaction" in str(caught.value)
    assert any(f"pid {pid}" in said for said in session.hinders())
    other = connect()
    other.execute("UPDATE product SET title = 'x'")
    app.execute("COMMIT")
    assert session.missing() == []
    assert session.hinders() == []


def test_the_mover_passes_its_cascades_too(session: Session, app: psycopg.Connection):
    """A cascade runs as the table's owner: who is asked is the session's user."""
    app.execute("INSERT INTO stock VALUES ('a', 1, 1)")
    fence(session, up=True)
    with session.applying(token=1, epoch=1, keys=[]) as writer:
        writer.write("category", Change(("id", "name"), gone=[(1,)]))
    assert app.execute("SELECT count(*) FROM stock").fetchone() == (0,)


def test_a_mark_ends_with_its_transaction(session: Session, app: psycopg.Connection):
    """As it is in a pool of transactions: the next one on this connection is somebody else's."""
    fence(session, up=True)
    with app.transaction():
        app.execute("SELECT set_config('strangler.mover', 'pricing', true)")
        with pytest.raises(psycopg.DatabaseError, match="fence"), app.transaction():
            app.execute("UPDATE product SET title = 'x'")
    with session.applying(token=1, epoch=1, keys=[]) as writer:
        writer.write("product", Change(("sku", "title"), [("a", "by the mover")]))
    connection = session._link.connection  # type: ignore[attr-defined]
    with pytest.raises(psycopg.DatabaseError, match="fence"):
        connection.execute("UPDATE product SET title = 'x'")


_STEP = """
import sys
from strangler.ladder import Arm
from strangler.transfer.postgres import PostgresDatabase
tables = ("category", "product", "stock")
database = PostgresDatabase(sys.argv[1], capability="catalog", arm=Arm.MONOLITH, tables=tables)
session = database.session()
with session.step(token=1, epoch=1) as step:
    step.fence(up=True, patience=60)
    step.record(owner=Arm.SERVICE, epoch=2, frozen=False)
"""


def test_a_statement_that_waits_when_its_client_dies_does_nothing(
    session: Session, app: psycopg.Connection, url: str, connect: Connect
):
    """An autocommit ALTER TABLE would still be executed, once the lock is free."""
    app.execute("BEGIN")
    app.execute("UPDATE product SET title = 'held'")
    watch = connect()
    query = "SELECT count(*) FROM pg_locks WHERE mode = 'ShareRowExclusiveLock' AND NOT granted"
    with subprocess.Popen([sys.executable, "-c", _STEP, url]) as mover:
        end = time.monotonic() + 30
        while not (waits := watch.execute(query).fetchone() == (1,)) and time.monotonic() < end:
            time.sleep(0.01)
        mover.kill()
    assert waits
    app.execute("COMMIT")
    session.seize(2)
    app.execute("UPDATE product SET title = 'free'")
    owner = session.owner()
    assert owner is not None
    assert (owner.owner, owner.epoch) == (Arm.MONOLITH, 1)
    assert session.missing() == []
    with pytest.raises(Superseded), session.step(token=1, epoch=1):
        pytest.fail("the old token counts no more")
