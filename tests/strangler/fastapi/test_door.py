"""A service's door: commands come in by it, on both faces, or are sent to the monolith."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from strangler.fastapi.door import Doorman, commanding, wired
from strangler.ladder import Arm
from strangler.ports import headers as names
from strangler.ports import runtime
from strangler.ports.context import Context, current
from strangler.ports.errors import DoorShut, NotOwner
from strangler.transfer.connect import door
from strangler.transfer.sqlite import SqliteDatabase, SqliteSession
from tests.strangler.fastapi.conftest import SAMPLE
from tests.strangler.fastapi.running import Answered, Party, Service

PLANT = b'{"name": "fern", "height": 3}'
ARGUMENTS = {"name": "fern"}


class Mover:
    """Changes the owner, and keeps the door, as a mover does."""

    def __init__(self, url: str) -> None:
        self.session: SqliteSession = SqliteDatabase(
            url, capability="garden", arm=Arm.SERVICE, tables=["plants"]
        ).session()
        self.session.install(owner=Arm.SERVICE, epoch=3)
        self.session.seize(1)

    def says(self, owner: Arm, epoch: int) -> None:
        now = self.session.owner()
        assert now is not None
        with self.session.step(token=1, epoch=now.epoch) as step:
            step.record(owner=owner, epoch=epoch, frozen=False)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("own") / "garden.sqlite3"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE plants (id integer PRIMARY KEY AUTOINCREMENT, name text)")
    connection.commit()
    connection.close()
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def owning(surroundings: dict[str, str], url: str) -> Iterator[Service]:
    """The sample, with a database of its own."""
    Mover(url).session.close()
    with Service(SAMPLE, {**surroundings, "GARDEN_DATABASE": url, "STRANGLER_THREADS": "3"}) as it:
        yield it


@pytest.fixture
def mover(url: str, owning: Service) -> Iterator[Mover]:
    mover = Mover(url)
    mover.says(Arm.SERVICE, 3)
    yield mover
    mover.session.open_door()
    mover.session.close()


@pytest.fixture
def edge(keys: Path, owning: Service) -> Party:
    return Party(keys, "monolith", to="garden", url=owning.url)


def plant(edge: Party, context: Context | None = None) -> Answered:
    return edge.ask("POST", "/api/garden/plants", PLANT, command=True, context=context)


def call(edge: Party, context: Context | None = None) -> Answered:
    return edge.call("plant", ARGUMENTS, command=True, context=context)


Ask = Callable[..., Answered]
FACES = pytest.mark.parametrize(("ask", "status"), [(plant, 201), (call, 200)])


@FACES
def test_an_owner_answers_and_says_what_was_commanded(
    mover: Mover, edge: Party, ask: Ask, status: int
) -> None:
    for context in (Context(hops=1), Context(hops=1, epoch=3)):
        answer = ask(edge, context)
        assert (answer.status, answer.json()) == (status, "fern")
        assert answer.headers[names.COMMANDED.lower()] == "garden"


@FACES
def test_who_does_not_own_says_who_does_and_has_done_nothing(
    mover: Mover, edge: Party, ask: Ask, status: int
) -> None:
    before = edge.call("done").json()
    mover.says(Arm.MONOLITH, 4)
    answer = ask(edge)
    assert answer.refused == (421, "NotOwner")
    assert answer.headers[names.OWNER.lower()] == "monolith"
    assert answer.headers[names.EPOCH.lower()] == "4"
    assert edge.call("done").json() == before
    assert edge.ask("GET", "/api/garden/who").status == 200


@FACES
def test_another_epoch_is_refused(mover: Mover, edge: Party, ask: Ask, status: int) -> None:
    answer = ask(edge, Context(hops=1, epoch=2))
    assert answer.refused == (421, "NotOwner")
    assert answer.headers[names.OWNER.lower()] == "service"
    assert answer.headers[names.EPOCH.lower()] == "3"


@FACES
def test_a_freeze_costs_latency_and_the_body_is_whole(
    mover: Mover, edge: Party, ask: Ask, status: int
) -> None:
    mover.session.close_door(patience=2)
    with ThreadPoolExecutor() as threads:
        asked: Future[Answered] = threads.submit(ask, edge)
        time.sleep(0.2)
        assert not asked.done()
        # What neither waits at the door nor works behind it goes on.
        assert edge.ask("GET", "/api/garden/who").status == 200
        assert edge.call("done").status == 200
        mover.session.open_door()
        answer = asked.result(5)
    assert (answer.status, answer.json()) == (status, "fern")


@FACES
def test_a_hold_of_ours_passes_a_closed_door_and_one_of_theirs_is_told(
    mover: Mover, edge: Party, ask: Ask, status: int
) -> None:
    mover.session.close_door(patience=2)
    assert ask(edge, Context(hops=1, doors=("garden@service",))).status == status
    assert ask(edge, Context(hops=1, doors=("garden@monolith",))).status == 421


@FACES
def test_who_waits_beyond_his_deadline_is_told_in_time(
    mover: Mover, edge: Party, ask: Ask, status: int
) -> None:
    mover.session.close_door(patience=2)
    began = time.monotonic()
    headers = {names.DEADLINE: "0.3", "Content-Type": "application/json"}
    if ask is plant:
        answer = edge.ask("POST", "/api/garden/plants", PLANT, command=True, headers=headers)
    else:
        answer = edge.call("plant", ARGUMENTS, command=True, headers=headers)
    assert answer.refused == (503, "DoorShut")
    assert time.monotonic() - began < 2


def test_a_freeze_waits_for_who_is_inside(mover: Mover, edge: Party):
    """And finds nobody, once the answers have gone."""
    for _ in range(3):
        plant(edge)
        call(edge)
    began = time.monotonic()
    mover.session.close_door(patience=2)
    assert time.monotonic() - began < 1


class TestTheDoorman:
    def test_a_hold_lasts_until_it_is_left_whoever_leaves(self, mover: Mover, url: str):
        def closes() -> None:
            other = Mover(url)
            other.session.close_door(patience=5)
            other.session.open_door()
            other.session.close()

        async def one() -> None:
            doorman = Doorman("garden", door(url, capability="garden", arm=Arm.SERVICE), inside=2)
            hold = await doorman.let_in(Context(epoch=3))
            assert hold.context.doors == ("garden@service",)
            assert hold.context.epoch == 0
            closing = asyncio.get_running_loop().run_in_executor(None, closes)
            await asyncio.sleep(0.2)
            assert not closing.done()
            hold.leave()
            await asyncio.wait_for(closing, 3)
            doorman.close()

        with runtime.configured(arm=Arm.SERVICE):
            asyncio.run(one())

    def test_who_gives_up_waiting_leaves_nothing_behind(self, mover: Mover, url: str):
        async def give_up() -> None:
            doorman = Doorman("garden", door(url, capability="garden", arm=Arm.SERVICE), inside=1)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(doorman.let_in(Context()), 0.1)
            mover.session.open_door()
            for _ in range(100):
                try:
                    (await doorman.let_in(Context())).leave()
                except DoorShut:  # the thread of the one who gave up has not noticed yet
                    await asyncio.sleep(0.01)
                else:
                    break
            else:
                raise AssertionError
            doorman.close()

        mover.session.close_door(patience=2)
        with runtime.configured(arm=Arm.SERVICE):
            asyncio.run(give_up())


def test_a_timer_comes_in_by_the_door(mover: Mover, url: str):
    ours = wired("garden", door(url, capability="garden", arm=Arm.SERVICE))
    with runtime.configured(arm=Arm.SERVICE, door=ours):
        with commanding("garden"):
            assert current().doors == ("garden@service",)
        mover.session.close_door(patience=2)
        with pytest.raises(DoorShut), commanding("garden", patience=0.1):
            raise AssertionError
        mover.session.open_door()
        mover.says(Arm.MONOLITH, 4)
        with pytest.raises(NotOwner) as refused, commanding("garden"):
            raise AssertionError
        assert (refused.value.owner, refused.value.epoch) == (Arm.MONOLITH, 4)
