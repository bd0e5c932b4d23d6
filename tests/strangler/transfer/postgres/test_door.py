"""The door: who is inside, who waits, and who comes back from a fork."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from strangler.ladder import Arm
from strangler.transfer.database import Owner, Session
from strangler.transfer.door import DoorClosed
from strangler.transfer.errors import DatabaseAway, LockTimeout
from strangler.transfer.postgres import PostgresDatabase, PostgresDoor
from strangler.transfer.postgres.link import Connection
from strangler.transfer.postgres.steps import read_owner
from tests.strangler.transfer.postgres.conftest import Connect

pytestmark = pytest.mark.postgres
OURS = Owner(Arm.MONOLITH, 1, 1, frozen=False)


def soon(seconds: float = 10) -> float:
    return time.monotonic() + seconds


@pytest.fixture
def door(url: str) -> Iterator[PostgresDoor]:
    door = PostgresDoor(url, capability="catalog", arm=Arm.MONOLITH, waiting=1)
    yield door
    door.close()


def test_where_nothing_is_installed_nothing_is_waited_for(door: PostgresDoor, url: str):
    with door.entered(deadline=soon()) as owner:
        assert owner is None
    assert door.owner() is None
    began = time.monotonic()
    for _ in range(1000):
        with door.entered(deadline=soon()):
            pass
    assert time.monotonic() - began < 0.5
    session = PostgresDatabase(url, capability="catalog", arm=Arm.MONOLITH, tables=()).session()
    session.install(owner=Arm.SERVICE, epoch=3)
    session.close()
    time.sleep(1)
    with door.entered(deadline=soon()) as owner:
        assert owner == Owner(Arm.SERVICE, 3, 0, frozen=False)


def test_who_has_to_come_again_may_lose_its_connection_meanwhile(
    session: Session, door: PostgresDoor, url: str, monkeypatch: pytest.MonkeyPatch
):
    looks: list[Owner | None] = []

    def looked(connection: Connection, capability: str) -> Owner | None:
        looks.append(read_owner(connection, capability))
        if len(looks) == 1:
            with session.step(token=1, epoch=1) as step:
                step.record(owner=Arm.MONOLITH, epoch=1, frozen=False)
            with psycopg.connect(url) as other:
                other.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
        return looks[-1]

    monkeypatch.setattr("strangler.transfer.postgres.door.read_owner", looked)
    with session.step(token=1, epoch=1) as step:
        step.record(owner=Arm.MONOLITH, epoch=1, frozen=True)
    with door.entered(deadline=soon()) as owner:
        assert owner == OURS
    assert [one.frozen for one in looks if one] == [True, False]


def test_a_closing_door_waits_for_those_inside_and_keeps_newcomers_out(
    session: Session, door: PostgresDoor
):
    inside, leave, closed, came = (threading.Event() for _ in range(4))
    order = []

    def first() -> None:
        with door.entered(deadline=soon()):
            inside.set()
            leave.wait(10)
            order.append("left")

    def closing() -> None:
        session.close_door(patience=10)
        order.append("closed")
        closed.set()

    def second() -> None:
        with door.entered(deadline=soon()) as owner:
            order.append("came")
            assert owner == Owner(Arm.SERVICE, 2, 1, frozen=False)
            came.set()

    threads = [threading.Thread(target=first), threading.Thread(target=closing)]
    threads[0].start()
    inside.wait(10)
    threads[1].start()
    assert not closed.wait(0.2)
    threads.append(threading.Thread(target=second))
    threads[2].start()
    time.sleep(0.1)
    leave.set()
    assert closed.wait(10)
    assert not came.wait(0.2)
    with session.step(token=1, epoch=1) as step:
        step.record(owner=Arm.SERVICE, epoch=2, frozen=False)
    session.open_door()
    for thread in threads:
        thread.join(10)
    assert order == ["left", "closed", "came"]


def test_a_nested_command_passes_though_the_door_is_closing(session: Session, door: PostgresDoor):
    with door.entered(deadline=soon()):
        failed = []

        def closing() -> None:
            with pytest.raises(LockTimeout) as caught:
                session.close_door(patience=0.5)
            failed.append(str(caught.value))

        thread = threading.Thread(target=closing)
        thread.start()
        time.sleep(0.1)
        with door.entered(deadline=soon(0.2)) as owner:
            assert owner == OURS
        thread.join(10)
    assert "inside: strangler door catalog (pid" in failed[0]
    with door.entered(deadline=soon(0.5)) as owner:
        assert owner == OURS


def test_a_closed_door_is_waited_for_no_longer_than_the_deadline_nor_by_too_many(
    session: Session, door: PostgresDoor
):
    session.close_door(patience=1)
    said = []

    def wait() -> None:
        try:
            with door.entered(deadline=soon(1)):
                pass
        except DoorClosed as closed:
            said.append(str(closed))

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    with pytest.raises(DoorClosed, match="1 wait"), door.entered(deadline=soon()):
        pytest.fail("too many wait")
    assert time.monotonic() - began < 0.5
    thread.join(10)
    assert said == ["catalog: its door did not open in time"]
    session.open_door()
    session.open_door()
    with door.entered(deadline=soon()) as owner:
        assert owner == OURS


def test_a_frozen_owner_row_is_waited_for_outside(session: Session, door: PostgresDoor):
    with session.step(token=1, epoch=1) as step:
        step.record(owner=Arm.MONOLITH, epoch=1, frozen=True)
    with pytest.raises(DoorClosed), door.entered(deadline=soon(0.2)):
        pytest.fail("it is frozen")
    seen = []

    def enter() -> None:
        with door.entered(deadline=soon()) as owner:
            seen.append(owner)

    thread = threading.Thread(target=enter)
    thread.start()
    time.sleep(0.1)
    session.close_door(patience=1)
    with session.step(token=1, epoch=1) as step:
        step.record(owner=Arm.MONOLITH, epoch=1, frozen=False)
    session.open_door()
    thread.join(10)
    assert seen == [OURS]


def test_a_door_closed_by_a_mover_that_is_gone_is_opened_by_the_next(
    session: Session, database: PostgresDatabase, door: PostgresDoor
):
    session.close_door(patience=1)
    other = database.session()
    other.evict()
    with door.entered(deadline=soon()) as owner:
        assert owner == OURS
    with pytest.raises(DatabaseAway):
        session.pending()
    other.close_door(patience=1)
    other.evict()
    assert other.pending() == 0
    other.close()


def test_a_connection_that_died_idle_is_replaced(
    session: Session, door: PostgresDoor, app: psycopg.Connection
):
    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'strangler door catalog'"
    )
    with door.entered(deadline=soon()) as owner:
        assert owner == OURS
    assert app.execute(kill).fetchone() == (True,)
    time.sleep(0.1)
    with door.entered(deadline=soon()) as owner:
        assert owner == OURS
        app.execute(kill)
    time.sleep(0.1)
    assert door.owner() == OURS
    session.close_door(patience=1)


def test_a_child_process_has_connections_of_its_own(session: Session, door: PostgresDoor):
    with door.entered(deadline=soon()):
        child = os.fork()
        if not child:
            code = 1
            try:
                with door.entered(deadline=soon()) as owner:
                    code = 0 if owner == OURS else 2
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        with pytest.raises(LockTimeout):
            session.close_door(patience=0.1)
    with door.entered(deadline=soon()) as owner:
        assert owner == OURS


def test_a_database_that_is_away_says_so(postgres_url: str):
    where = postgres_url.rpartition("/")[0] + "/nowhere"
    door = PostgresDoor(where, capability="catalog", arm=Arm.MONOLITH)
    with pytest.raises(DatabaseAway), door.entered(deadline=soon()):
        pytest.fail("nobody can say")
    with pytest.raises(DatabaseAway):
        door.owner()


def test_threads_come_in_together(session: Session, door: PostgresDoor, connect: Connect):
    barrier = threading.Barrier(8, timeout=10)

    def enter() -> None:
        with door.entered(deadline=soon()):
            barrier.wait()

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not barrier.broken
    session.close_door(patience=1)
