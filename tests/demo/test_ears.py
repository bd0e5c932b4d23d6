"""Nothing that is still to be done is overlooked, in whichever database it waits."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from demo.books import Owners
from demo.databases import Databases, opened
from demo.ears import Ears
from demo.postbox import Postbox

OUTBOX, QUEUE = "strangler_outbox (id)", "strangler_queue (id)"
MAILS = "notifications_notification (due_at)"
TABLES = {
    "monolith": (OUTBOX, QUEUE, MAILS, "strangler_saga (ended)"),
    "catalog": (OUTBOX, QUEUE),
    "notifications": ("notification (due_at)",),
}
WAITING = [
    ("monolith", "strangler_outbox", "events to be published"),
    ("catalog", "strangler_outbox", "events to be published"),
    ("monolith", "strangler_queue", "events to be delivered"),
    ("catalog", "strangler_queue", "events to be delivered"),
    ("monolith", "strangler_saga", "sagas under way"),
    ("notifications", "notification", "mails to be sent"),
]


class NoBroker:
    """Backstage without one."""

    def waiting(self) -> None: ...


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[Databases]:
    for name, tables in TABLES.items():
        with closing(sqlite3.connect(tmp_path / f"{name}.sqlite3")) as database:
            for table in tables:
                database.execute(f"CREATE TABLE {table}")
    with opened("sqlite", tmp_path) as found:
        yield found


def ears(databases: Databases) -> Ears:
    owners = Owners(catalog="service", inventory="service", notifications="service")
    return Ears(databases, NoBroker(), Postbox(), owners)


def test_where_nothing_waits_all_is_done(databases: Databases, tmp_path: Path):
    assert ears(databases).unfinished() == {}
    with closing(sqlite3.connect(tmp_path / "catalog.sqlite3")) as database:
        database.execute("DROP TABLE strangler_queue")  # with a broker nobody makes it
    assert ears(databases).unfinished() == {}


@pytest.mark.parametrize(("name", "table", "what"), WAITING)
def test_whatever_waits_is_seen(
    databases: Databases, tmp_path: Path, name: str, table: str, what: str
):
    value = "1" if table == "notification" else "NULL"
    with closing(sqlite3.connect(tmp_path / f"{name}.sqlite3")) as database, database:
        database.execute(f"INSERT INTO {table} VALUES ({value})")  # noqa: S608 - our own
    assert ears(databases).unfinished() == {what: 1}
