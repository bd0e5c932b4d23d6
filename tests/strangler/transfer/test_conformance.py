"""What both kinds of database promise: the schema, the owner row, steps, capture and fence."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest

from strangler.ladder import Arm
from strangler.transfer.database import Database, Owner, Session
from strangler.transfer.errors import DatabaseAway, Superseded, TransferError, Unfit
from strangler.transfer.tables import ColumnKind
from tests.strangler.transfer.sides import CAPABILITY, TABLES, Application, Side

M, S = Arm.MONOLITH, Arm.SERVICE


def test_a_database_says_what_it_is_of(side: Side):
    database = side.database()
    assert (database.capability, database.arm) == (CAPABILITY, M)
    assert sorted(database.tables) == sorted(TABLES)


def test_a_table_is_described(side: Side):
    table = side.session().inspect("item")
    assert (table.name, table.key) == ("item", ("id",))
    kinds = {name: column.kind for name, column in table.columns.items()}
    assert kinds == {
        "id": ColumnKind.INTEGER,
        "sku": ColumnKind.TEXT,
        "title": ColumnKind.TEXT,
        "price": ColumnKind.DECIMAL,
        "on_sale": ColumnKind.BOOLEAN,
        "weight": ColumnKind.FLOAT,
        "photo": ColumnKind.BYTES,
        "made": ColumnKind.MOMENT,
        "day": ColumnKind.DATE,
        "hour": ColumnKind.TIME,
        "ref": ColumnKind.UUID,
        "tags": ColumnKind.JSON,
        "kept": ColumnKind.TEXT,
        "size": ColumnKind.INTEGER,
    }
    assert table.columns["id"].sequence
    assert not table.columns["sku"].sequence
    assert table.columns["title"].nullable
    assert not table.columns["sku"].nullable
    assert table.columns["kept"].defaulted
    assert table.columns["id"].defaulted
    assert not table.columns["sku"].defaulted
    assert set(table.uniques) == {("sku",), ("ref",)}
    assert table.writable == tuple(table.columns)


def test_references_and_composite_keys_are_described(side: Side):
    table = side.session().inspect("line")
    assert table.key == ("box", "place")
    (reference,) = table.foreign_keys
    assert (reference.columns, reference.table, reference.references) == (
        ("item_id",),
        "item",
        ("id",),
    )
    assert reference.deferrable
    assert not reference.acts


def test_what_acts_by_itself_is_seen(side: Side):
    side.application().run(
        "CREATE TABLE child (id integer PRIMARY KEY, "
        "item_id bigint REFERENCES item (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED)"
    )
    (reference,) = side.session().inspect("child").foreign_keys
    assert reference.acts


def test_generated_columns_are_not_writable(side: Side):
    side.application().run(
        "CREATE TABLE sum (id integer PRIMARY KEY, a integer, "
        "twice integer GENERATED ALWAYS AS (a * 2) STORED)"
    )
    table = side.session().inspect("sum")
    assert table.columns["twice"].generated
    assert table.writable == ("id", "a")


@pytest.mark.parametrize("name", ["nowhere", "seen"])
def test_what_is_no_table_is_unfit(side: Side, name: str):
    side.application().run("CREATE VIEW seen AS SELECT * FROM item")
    with pytest.raises(Unfit) as caught:
        side.session().inspect(name)
    assert name in str(caught.value)


def test_installing_makes_everything_and_nothing_happens_yet(side: Side):
    session = side.session()
    assert session.owner() is None
    session.install(owner=M, epoch=3)
    assert session.owner() == Owner(M, 3, 0, frozen=False)
    assert session.missing() == []
    side.application().add_item(1)
    assert session.pending() == 0


def test_installing_again_changes_nothing(side: Side):
    session = side.installed()
    session.seize(4)
    session.install(owner=S, epoch=9)
    assert session.owner() == Owner(M, 1, 4, frozen=False)
    side.application().add_item(1)
    assert session.pending() == 1


def test_a_table_without_a_key_can_not_have_triggers(side: Side):
    side.application().run("CREATE TABLE log (line text)")
    with pytest.raises(Unfit) as caught:
        side.session(tables=("log", "nowhere")).install(owner=M, epoch=1)
    assert any("log" in problem for problem in caught.value.problems)
    assert any("nowhere" in problem for problem in caught.value.problems)


def test_what_is_missing_is_named_and_installed_again(side: Side):
    session = side.installed()
    app = side.application()
    app.run("DROP TABLE label")
    app.run("CREATE TABLE label (name varchar(40) NOT NULL PRIMARY KEY, colour text, size integer)")
    assert any("label" in problem for problem in session.missing())
    session.install(owner=M, epoch=1)
    assert session.missing() == []
    with session.step(token=0, epoch=1) as step:
        step.capture(on=True, patience=5)
    app.run("INSERT INTO label VALUES ('red', NULL, 1)")
    assert session.pending() == 1


def test_removing_leaves_the_rows(side: Side):
    session = side.installed(arm=S)
    other = side.session(name="pricing", tables=())
    other.install(owner=M, epoch=1)
    session.remove()
    app = side.application()
    app.add_item(1)
    assert session.owner() is None
    assert app.run("SELECT count(*) FROM item")[0][0] == 1
    assert other.owner() == Owner(M, 1, 0, frozen=False)
    session.remove()


def test_seizing_waits_for_a_step_and_leaves_it_nothing_to_do(side: Side):
    session, other = side.installed(), side.session()
    seized = threading.Event()

    def seize() -> None:
        mine = side.database().session()
        assert mine.seize(7) == Owner(M, 1, 7, frozen=False)
        seized.set()
        mine.close()

    thread = threading.Thread(target=seize)
    with session.step(token=0, epoch=1):
        thread.start()
        time.sleep(0.2)
        assert not seized.is_set()
    thread.join(10)
    assert seized.is_set()
    with pytest.raises(Superseded), session.step(token=0, epoch=1):
        pytest.fail("a superseded mover must not come in")
    with pytest.raises(Superseded):
        other.seize(6)
    assert other.seize(7).token == 7


@pytest.mark.parametrize(("token", "epoch"), [(1, 1), (0, 2), (0, 0)])
def test_a_step_of_another_token_or_epoch_does_nothing(side: Side, token: int, epoch: int):
    session = side.installed()
    with pytest.raises(Superseded), session.step(token=token, epoch=epoch):
        pytest.fail("a superseded mover must not come in")
    with (
        pytest.raises(Superseded),
        session.applying(token=token, epoch=epoch, keys=[("item", (1,))]),
    ):
        pytest.fail("nor write")


def test_nothing_can_be_seized_where_nothing_is(side: Side):
    with pytest.raises(TransferError):
        side.session().seize(1)


def test_a_step_that_breaks_off_has_done_nothing(side: Side):
    session = side.installed()
    with suppress(ZeroDivisionError), session.step(token=0, epoch=1) as step:
        step.record(owner=S, epoch=2, frozen=True)
        step.fence(up=True, patience=5)
        step.enqueue("item", [(1,)])
        raise ZeroDivisionError
    assert session.owner() == Owner(M, 1, 0, frozen=False)
    assert session.pending() == 0
    side.application().add_item(1)


def test_a_step_knows_the_owner(side: Side):
    session, other = side.installed(), side.session()
    with session.step(token=0, epoch=1) as step:
        assert step.owner == Owner(M, 1, 0, frozen=False)
        step.record(owner=S, epoch=2, frozen=True)
    assert other.owner() == Owner(S, 2, 0, frozen=True)


WRITES = (
    "INSERT INTO label VALUES ('blue', NULL)",
    "INSERT INTO label VALUES ('red', NULL) ON CONFLICT (name) DO UPDATE SET colour = 'x'",
    "UPDATE label SET colour = 'x'",
    "UPDATE label SET name = 'x'",
    "DELETE FROM label",
)


@pytest.mark.parametrize("write", WRITES)
def test_a_fence_refuses_every_write_and_no_reading(side: Side, write: str):
    session, app = side.installed(), side.application()
    app.run("INSERT INTO label VALUES ('red', NULL)")
    _fence(session, up=True)
    said = app.refuses(write)
    assert CAPABILITY in said
    assert "label" in said
    assert app.run("SELECT name, colour FROM label") == [("red", None)]
    _fence(session, up=False)
    assert app.refuses(write) == ""


def test_a_fence_says_who_owns(side: Side):
    session, app = side.installed(), side.application()
    with session.step(token=0, epoch=1) as step:
        step.record(owner=M, epoch=1, frozen=True)
        step.fence(up=True, patience=5)
    assert "changing owner" in app.refuses("INSERT INTO label VALUES ('red', NULL)")
    with session.step(token=0, epoch=1) as step:
        step.record(owner=S, epoch=2, frozen=False)
    assert "service" in app.refuses("INSERT INTO label VALUES ('red', NULL)")


def test_a_fence_is_the_capability_s_alone(side: Side):
    session, app = side.installed(tables=("item", "line")), side.application()
    _fence(session, up=True)
    app.run("INSERT INTO label VALUES ('red', NULL)")
    assert session.pending() == 0


def test_a_transaction_that_began_before_the_fence_is_refused_too(side: Side):
    session, app = side.installed(), side.application()
    app.run("BEGIN")
    app.run("SELECT count(*) FROM label")
    _fence(session, up=True)
    with pytest.raises(app.Unwelcome) as caught:
        app.run("INSERT INTO label VALUES ('red', NULL)")
    assert CAPABILITY in str(caught.value) or "locked" in str(caught.value)
    app.run("ROLLBACK")
    assert app.run("SELECT count(*) FROM label") == [(0,)]


def test_the_tables_are_set_aside(side: Side):
    session, app = side.installed(), side.application()
    app.run("INSERT INTO label VALUES ('red', NULL)")
    _fence(session, up=True)
    names = session.set_aside()
    assert sorted(names) == ["retired_item", "retired_label", "retired_line", "retired_thing"]
    assert app.run("SELECT name FROM retired_label") == [("red",)]
    assert CAPABILITY in app.refuses("DELETE FROM retired_label")
    assert sorted(session.set_aside()) == sorted(names)


def test_a_database_that_is_not_there_is_away(side: Side):
    with pytest.raises(DatabaseAway):
        _elsewhere(side).session()


def test_a_session_that_is_closed_undoes_what_it_was_at(side: Side):
    session, other = side.installed(), side.session()
    with suppress(ZeroDivisionError), session.step(token=0, epoch=1) as step:
        step.record(owner=S, epoch=2, frozen=False)
        session.close()
        assert other.owner() == Owner(M, 1, 0, frozen=False)
        raise ZeroDivisionError
    assert other.owner() == Owner(M, 1, 0, frozen=False)
    with other.step(token=0, epoch=1):
        pass


def _fence(session: Session, *, up: bool) -> None:
    with session.step(token=0, epoch=1) as step:
        step.fence(up=up, patience=5)


def _elsewhere(side: Side) -> Database:
    database = side.database()
    where = side.url.rpartition("/")[0] + "/nowhere"
    return type(database)(where, capability=CAPABILITY, arm=M, tables=())


def test_an_application_is_what_it_says(side: Side):
    """Guards the suite: an application that refuses nothing would make every fence look tight."""
    app: Application = side.application()
    app.run("INSERT INTO label VALUES ('red', NULL)")
    assert app.refuses("INSERT INTO label VALUES ('red', NULL)")
