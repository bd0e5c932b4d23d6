"""The timer: frees lapsed holds by itself, waits for nobody, and only while it may."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text

from contracts.inventory import Item
from extracted.inventory import expiry
from extracted.inventory.expiry import Timer, expire_once
from extracted.inventory.models import Reservation
from extracted.inventory.service import InventoryService
from strangler.sqlalchemy.database import Database
from tests.extracted.inventory.books import imbalances

Put = Callable[..., None]
Lapse = Callable[[UUID], None]
SOON = 0.02


@pytest.fixture
def lapsed(inventory: InventoryService, stock: Put, lapse: Lapse) -> list[UUID]:
    """Orders whose time is up, in the order in which they are freed."""
    stock("A", near=9)
    orders = sorted(uuid4() for _ in range(5))
    for order in orders:
        inventory.reserve(order, [Item("A", 1)])
        lapse(order)
    return orders


def held(database: Database) -> int:
    with database.reading() as session:
        return len(session.scalars(select(Reservation).filter_by(state="held")).all())


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < limit
        time.sleep(SOON)


def test_it_frees_what_has_lapsed_and_ends_with_its_block(
    database: Database, lapsed: list[UUID], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(expiry, "BATCH", 2)  # three batches at once
    threads = threading.active_count()
    with Timer(database, every=SOON):
        until(lambda: held(database) == 0)
    assert threading.active_count() == threads
    assert imbalances(database) == []


def test_it_writes_only_while_it_commands(database: Database, lapsed: list[UUID]):
    class NotOurs(Exception):
        pass

    asked: list[str] = []

    @contextmanager
    def commanding() -> Iterator[None]:
        asked.append("door")
        if len(asked) < 3:
            raise NotOurs
        yield
        asked.append(f"left with {held(database)}")

    with Timer(database, every=SOON, commanding=commanding):
        until(lambda: held(database) == 0)
    assert asked[:4] == ["door", "door", "door", "left with 0"]


def test_after_a_failure_it_says_so_and_looks_again(
    database: Database, lapsed: list[UUID], caplog: pytest.LogCaptureFixture
):
    table = (
        "ALTER TABLE allocation RENAME TO elsewhere",
        "ALTER TABLE elsewhere RENAME TO allocation",
    )
    with Timer(database, every=SOON):
        with database.transaction() as session:
            session.execute(text(table[0]))
        try:
            until(lambda: "lapsed reservations were not freed" in caplog.text)
        finally:
            with database.transaction() as session:
                session.execute(text(table[1]))
        until(lambda: held(database) == 0)


@pytest.mark.parametrize(
    "url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
def test_what_somebody_is_deciding_about_is_left_to_them(
    database: Database, lapsed: list[UUID], inventory: InventoryService
):
    first, *others = lapsed
    with ThreadPoolExecutor(1) as pool, database.transaction() as session:
        session.get(Reservation, first, with_for_update=True)
        assert pool.submit(expire_once, database).result(10) == len(others)
        assert held(database) == 1
    assert inventory.commit(first).state == "committed"
    assert imbalances(database) == []


def test_a_timer_is_told_to_stop_while_it_waits(database: Database):
    began = time.monotonic()
    with Timer(database, every=3600):
        pass
    assert time.monotonic() - began < 1
