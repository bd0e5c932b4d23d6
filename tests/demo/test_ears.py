"""Nothing that is still to be done is overlooked, in whichever database it waits."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

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


def ears(databases: Databases | Underway) -> Ears:
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


WAY = [
    ("monolith", "strangler_saga", "NULL"),
    ("monolith", "strangler_outbox", "1"),
    ("monolith", "strangler_queue", "1"),
    ("notifications", "notification", "1"),
]
"""Of a saga's end: where it waits, one after the other, and as what."""
LOOKS = 6


class Underway:
    """Databases in which something moves on, to the next place of its way, before one of the looks.

    As everything that is told, it is written down there before it is forgotten here.
    """

    def __init__(
        self, databases: Databases, folder: Path, leaves: tuple[str, ...], arrives: tuple[str, ...]
    ) -> None:
        self._databases = databases
        self._folder = folder
        self._leaves = leaves
        self._arrives = arrives
        self.looks = 0
        self.moves_before = 0
        self._write("INSERT INTO {} VALUES ({})", leaves)

    def has(self, name: str, table: str) -> bool:
        return self._databases.has(name, table)

    def rows(self, name: str, query: str) -> Sequence[Sequence[Any]]:
        if self.looks == self.moves_before:
            self._write("INSERT INTO {} VALUES ({})", self._arrives)
            self._write("DELETE FROM {}", self._leaves)
        self.looks += 1
        return self._databases.rows(name, query)

    def _write(self, statement: str, place: tuple[str, ...]) -> None:
        name, *said = place
        with closing(sqlite3.connect(self._folder / f"{name}.sqlite3")) as database, database:
            database.execute(statement.format(*said))


@pytest.mark.parametrize("look", range(LOOKS))
@pytest.mark.parametrize(("leaves", "arrives"), [*pairwise(WAY)])
def test_what_moves_on_meanwhile_is_not_overlooked(
    databases: Databases,
    tmp_path: Path,
    leaves: tuple[str, ...],
    arrives: tuple[str, ...],
    look: int,
):
    moving = Underway(databases, tmp_path, leaves, arrives)
    moving.moves_before = look
    assert ears(moving).unfinished()
    assert moving.looks == LOOKS
