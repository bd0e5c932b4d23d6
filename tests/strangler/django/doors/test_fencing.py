"""Writers that the fence meets: named, flagged and rolled back, whoever swallows what."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from monolith.inventory.models import Warehouse
from strangler.django.door import Fenced
from strangler.django.doors import fencing, writers
from strangler.django.middleware import EdgeMiddleware
from strangler.ladder import Arm
from strangler.ports.context import Context, use
from strangler.transfer.sqlite import SqliteDatabase, SqliteSession


@pytest.fixture
def rows(tmp_path: Path, django_db_blocker: Any) -> Iterator[str]:
    """The alias of a file with inventory's warehouses, which is none of the test's transactions."""
    name = "rows"
    path = tmp_path / "rows.sqlite3"
    default = connections["default"].settings_dict
    connections.databases[name] = {
        **default, "ENGINE": "django.db.backends.sqlite3", "NAME": str(path), "OPTIONS": {},
        "HOST": "", "PORT": "", "USER": "", "PASSWORD": "", "ATOMIC_REQUESTS": False,
    }  # fmt: skip
    connection = connections[name]
    with django_db_blocker.unblock():
        with connection.schema_editor() as editor:
            editor.create_model(Warehouse)
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE notes (text text)")
        fencing.taken()
        yield name
        connection.close()
    del connections[name]
    del connections.databases[name]
    fencing.taken()


@pytest.fixture
def session(rows: str) -> Iterator[SqliteSession]:
    session = SqliteDatabase(
        f"sqlite:///{connections[rows].settings_dict['NAME']}",
        capability="inventory",
        arm=Arm.MONOLITH,
        tables=["inventory_warehouse"],
    ).session()
    session.install(owner=Arm.MONOLITH, epoch=1)
    session.seize(1)
    yield session
    session.close()


@pytest.fixture
def fenced(rows: str, session: SqliteSession) -> str:
    with session.step(token=1, epoch=1) as step:
        step.record(owner=Arm.SERVICE, epoch=2, frozen=False)
        step.fence(up=True, patience=1)
    return rows


def note(alias: str, text: str) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute("INSERT INTO notes VALUES (%s)", [text])


def notes(alias: str) -> int:
    with sqlite3.connect(connections[alias].settings_dict["NAME"]) as connection:
        return int(connection.execute("SELECT count(*) FROM notes").fetchone()[0])


def test_get_or_create_does_not_swallow_it(fenced: str) -> None:
    with pytest.raises(Fenced) as refused, writers.doing("celery:count"):
        Warehouse.objects.using(fenced).get_or_create(code="north", defaults={"name": "North"})
    found = refused.value
    assert (found.capability, found.owner, found.writer) == (
        "inventory",
        Arm.SERVICE,
        "celery:count",
    )
    assert not found.inside
    assert fencing.taken() is found
    assert fencing.refused["inventory", "celery:count"] >= 1


def test_nothing_of_the_transaction_stays_whoever_catches(fenced: str) -> None:
    with transaction.atomic(using=fenced):
        note(fenced, "before")
        try:
            with transaction.atomic(using=fenced), transaction.atomic(using=fenced):
                Warehouse.objects.using(fenced).create(code="north", name="North")
        except Exception:  # noqa: BLE001, S110  # as careless code does
            pass
    assert notes(fenced) == 0
    # And the next transaction is sound again.
    with transaction.atomic(using=fenced), transaction.atomic(using=fenced):
        note(fenced, "later")
    assert notes(fenced) == 1


def test_a_freeze_is_told_from_an_owner(fenced: str, session: SqliteSession) -> None:
    with session.step(token=1, epoch=2) as step:
        step.record(owner=Arm.SERVICE, epoch=2, frozen=True)
    with pytest.raises(Fenced) as refused:
        Warehouse.objects.using(fenced).create(code="north", name="North")
    assert refused.value.owner is None


def test_a_unique_value_that_is_taken_is_no_fence(rows: str, session: SqliteSession) -> None:
    Warehouse.objects.using(rows).create(code="north", name="North")
    _, made = Warehouse.objects.using(rows).get_or_create(code="north", defaults={"name": "N"})
    assert not made
    assert fencing.hit() is None


@pytest.mark.parametrize(
    ("held", "door"), [((), "0"), (("inventory@monolith",), "1"), (("catalog@monolith",), "0")]
)
def test_the_journal_names_the_writer_and_his_door(
    rows: str, session: SqliteSession, held: tuple[str, ...], door: str
) -> None:
    with session.step(token=1, epoch=1) as step:
        step.capture(on=True, patience=1)
    with use(Context(doors=held)), writers.doing("shop.views.ship"), transaction.atomic(rows):
        Warehouse.objects.using(rows).create(code="north", name="North")
    with session.claim(10) as claim:
        (entry,) = claim.entries
    assert (entry.writer, str(int(entry.door))) == ("shop.views.ship", door)


def test_a_name_can_end_no_comment() -> None:
    with writers.doing("GET /*/ 100% 'x' \\ */ DROP"):
        assert not set("*%'\\") & set(writers.writer())


@pytest.mark.parametrize(
    "sql",
    [
        'INSERT INTO "inventory_warehouse" ("code") VALUES (%s)',
        'UPDATE "inventory_warehouse" SET "name" = %s',
        'DELETE FROM "inventory_warehouse"',
        "  insert or ignore into inventory_warehouse values (1)",
        "WITH x AS (SELECT 1) UPDATE inventory_warehouse SET name = ''",
        "TRUNCATE TABLE inventory_warehouse",
    ],
)
def test_what_writes_is_known(sql: str) -> None:
    assert writers.written(sql) == "inventory"


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT * FROM "inventory_warehouse"',
        'INSERT INTO "inventory_warehouses" VALUES (1)',
        "SAVEPOINT x",
        "",
    ],
)
def test_what_does_not_is_left_alone(sql: str) -> None:
    assert writers.written(sql) is None


def careless(alias: str) -> EdgeMiddleware:
    """A project whose view writes on GET, and takes every failure for a success."""

    def view(request: HttpRequest) -> HttpResponse:
        try:
            with transaction.atomic(using=alias):
                note(alias, "seen")
                Warehouse.objects.using(alias).create(code="north", name="North")
        except Exception:  # noqa: BLE001, S110  # as careless code does
            pass
        return HttpResponse("well done")

    return EdgeMiddleware(view)


def test_a_view_that_writes_on_get_is_told_whatever_it_answers(fenced: str) -> None:
    answer = careless(fenced)(RequestFactory().get("/report/"))
    assert answer.status_code == 409
    assert isinstance(answer, HttpResponse)
    for word in (b"inventory", b"service", b"GET /report/"):
        assert word in answer.content
    assert notes(fenced) == 0
    assert fencing.hit() is None


def test_within_a_freeze_it_is_asked_to_come_again(fenced: str, session: SqliteSession) -> None:
    with session.step(token=1, epoch=2) as step:
        step.record(owner=Arm.SERVICE, epoch=2, frozen=True)
    answer = careless(fenced)(RequestFactory().get("/report/"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


def test_while_the_rows_are_here_the_view_is_left_alone(rows: str, session: SqliteSession) -> None:
    answer = careless(rows)(RequestFactory().get("/report/"))
    assert answer.status_code == 200
    assert notes(rows) == 1
