"""What both kinds of door promise, with real processes on either side of it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import pytest

from strangler.ladder import Arm
from strangler.transfer.database import Owner, Session
from strangler.transfer.door import Door, DoorClosed
from strangler.transfer.errors import DatabaseAway, LockTimeout
from tests.strangler.transfer.sides import Side

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
M, S = Arm.MONOLITH, Arm.SERVICE
LONG = 20.0


class Process:
    """One of ``doorkeeping``'s."""

    def __init__(self, side: Side, what: str, *arguments: object) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, HERE / "doorkeeping.py", what, side.kind, side.url]
            + [str(one) for one in arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.words: Queue[str] = Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.words.put(line.strip())

    def says(self, timeout: float = LONG) -> str:
        return self.words.get(timeout=timeout)

    def quiet(self, seconds: float = 0.3) -> bool:
        time.sleep(seconds)
        return self.words.empty()

    def go(self) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.close()

    def end(self) -> None:
        self.popen.kill()
        self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            assert pipe is not None
            pipe.close()


@contextmanager
def running(side: Side, what: str, *arguments: object) -> Iterator[Process]:
    process = Process(side, what, *arguments)
    try:
        yield process
    finally:
        process.end()


@pytest.fixture
def session(side: Side) -> Session:
    return side.installed(tables=())


def _soon(seconds: float = LONG) -> float:
    return time.monotonic() + seconds


def _enters(door: Door, seconds: float = LONG) -> Owner | None:
    with door.entered(deadline=_soon(seconds)) as owner:
        return owner


def test_who_comes_in_knows_the_owner(side: Side, session: Session):
    door = side.door()
    assert door.owner() == Owner(M, 1, 0, frozen=False)
    with door.entered(deadline=_soon()) as owner:
        assert owner == Owner(M, 1, 0, frozen=False)
    with session.step(token=0, epoch=1) as step:
        step.record(owner=S, epoch=2, frozen=False)
    assert _enters(door) == Owner(S, 2, 0, frozen=False)
    assert door.owner() == Owner(S, 2, 0, frozen=False)


def test_where_nothing_is_installed_nobody_waits(side: Side):
    door = side.door()
    assert _enters(door) is None
    assert door.owner() is None


def test_a_door_whose_database_is_away_says_so(side: Side):
    where = side.url.rpartition("/")[0] + "/nowhere"
    door = type(side.door())(where, capability="catalog", arm=M)
    with pytest.raises(DatabaseAway):
        _enters(door, 1)
    with pytest.raises(DatabaseAway):
        door.owner()
    door.close()


def test_many_are_inside_at_once_and_threads_share_a_door(side: Side, session: Session):
    door, inside = side.door(), threading.Barrier(5)

    def enter() -> None:
        with door.entered(deadline=_soon()):
            inside.wait(LONG)

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    inside.wait(LONG)
    for thread in threads:
        thread.join(LONG)
    session.close_door(patience=1)
    session.open_door()


def test_who_is_inside_delays_the_close_and_newcomers_wait(side: Side, session: Session):
    with running(side, "hold", LONG) as first, running(side, "hold", LONG) as second:
        assert [first.says(), first.says()] == ["ready", "inside"]
        assert [second.says(), second.says()] == ["ready", "inside"]
        closed = threading.Event()

        def close() -> None:
            mine = side.database(tables=()).session()
            mine.close_door(patience=LONG)
            closed.set()
            opened.wait(LONG)
            mine.open_door()
            mine.close()

        opened = threading.Event()
        thread = threading.Thread(target=close)
        thread.start()
        assert not closed.wait(0.3)
        with running(side, "hold", LONG) as newcomer:
            assert newcomer.says() == "ready"
            first.go()
            assert not closed.wait(0.3)
            second.popen.kill()  # however it ends
            assert closed.wait(LONG)
            assert newcomer.quiet()
            opened.set()
            assert newcomer.says() == "inside"
        thread.join(LONG)


def test_a_close_gives_up_in_time_and_the_door_is_open_again(side: Side, session: Session):
    with running(side, "hold", LONG) as holder:
        assert [holder.says(), holder.says()] == ["ready", "inside"]
        began = time.monotonic()
        with pytest.raises(LockTimeout):
            session.close_door(patience=0.3)
        assert time.monotonic() - began < 3
        assert _enters(side.door(), 2) is not None


def test_a_closed_door_refuses_at_the_deadline(side: Side, session: Session):
    door = side.door()
    session.close_door(patience=1)
    began = time.monotonic()
    with pytest.raises(DoorClosed):
        _enters(door, 0.3)
    assert 0.2 < time.monotonic() - began < 3
    session.open_door()
    assert _enters(door, 2) is not None
    session.open_door()


def test_a_frozen_owner_row_is_waited_for(side: Side, session: Session):
    door = side.door()
    with session.step(token=0, epoch=1) as step:
        step.record(owner=M, epoch=1, frozen=True)
    with pytest.raises(DoorClosed):
        _enters(door, 0.3)
    with running(side, "hold", LONG) as newcomer:
        assert newcomer.says() == "ready"
        assert newcomer.quiet()
        with session.step(token=0, epoch=1) as step:
            step.record(owner=S, epoch=2, frozen=False)
        assert newcomer.says() == "inside"


def test_only_so_many_wait(side: Side, session: Session):
    door = side.door(waiting=1)
    session.close_door(patience=1)
    owners: list[Owner | None] = []
    thread = threading.Thread(target=lambda: owners.append(_enters(door)))
    thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    with pytest.raises(DoorClosed):
        _enters(door, LONG)
    assert time.monotonic() - began < 2
    session.open_door()
    thread.join(LONG)
    assert len(owners) == 1


def test_an_exception_inside_lets_the_door_go(side: Side, session: Session):
    with (
        pytest.raises(ZeroDivisionError),
        side.door().entered(deadline=_soon()),
    ):
        raise ZeroDivisionError
    session.close_door(patience=1)


def test_a_session_that_is_closed_opens_the_door(side: Side, session: Session):
    session.close_door(patience=1)
    session.close()
    assert _enters(side.door(), 5) is not None


def test_a_mover_that_is_killed_opens_the_door(side: Side, session: Session):
    with running(side, "shut", 1) as mover:
        assert mover.says() == "shut"
        door = side.door()
        with pytest.raises(DoorClosed):
            _enters(door, 0.3)
        mover.popen.kill()
        assert _enters(door, 10) is not None


def test_a_mover_that_is_stopped_keeps_no_door_closed_after_a_repair(side: Side, session: Session):
    with running(side, "shut", 1) as mover:
        assert mover.says() == "shut"
        os.kill(mover.popen.pid, signal.SIGSTOP)
        with running(side, "hold", LONG) as waiting:
            assert waiting.says() == "ready"
            assert waiting.quiet()
            session.seize(2)
            session.evict()
            assert waiting.says() == "inside"
            assert _enters(side.door(), 10) == Owner(M, 1, 2, frozen=False)
            with pytest.raises(LockTimeout):
                session.close_door(patience=0.3)
            waiting.end()
            session.close_door(patience=5)
            with pytest.raises(DoorClosed):
                _enters(side.door(), 0.3)
            session.open_door()


def test_a_mover_that_wakes_too_late_does_nothing(side: Side, session: Session):
    with running(side, "step", 1) as mover:
        assert mover.says() == "ready"
        os.kill(mover.popen.pid, signal.SIGSTOP)
        session.seize(2)
        os.kill(mover.popen.pid, signal.SIGCONT)
        mover.go()
        assert mover.says() == "Superseded"
    assert session.owner() == Owner(M, 1, 2, frozen=False)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_door_is_safe_across_a_fork(side: Side, session: Session):
    door = side.door()
    assert _enters(door) is not None
    fork = multiprocessing.get_context("fork")
    said = fork.SimpleQueue()
    with door.entered(deadline=_soon()):
        child = fork.Process(target=lambda: said.put(str(_enters(door))))
        child.start()
        child.join(LONG)
        assert child.exitcode == 0
        assert said.get() == str(door.owner())
        with pytest.raises(LockTimeout):  # the child has taken nothing of ours with it
            session.close_door(patience=0.2)
    assert _enters(door) is not None
    session.close_door(patience=1)


def test_nobody_is_inside_while_it_is_closed(side: Side, session: Session):
    """Threads come and go as fast as they can, and the mover closes and opens."""
    door, over, limit = side.door(), threading.Event(), _soon()
    inside = [False] * 3
    rounds = [0] * 3
    problems: list[BaseException] = []

    def come_and_go(number: int) -> None:
        try:
            while not over.is_set():
                with door.entered(deadline=_soon()):
                    inside[number] = True
                    rounds[number] += 1
                    inside[number] = False
        except BaseException as error:  # noqa: BLE001 - shown below, in the test's own thread
            problems.append(error)

    threads = [threading.Thread(target=come_and_go, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    closed = 0
    while closed < 20 or (min(rounds) < 4 and time.monotonic() < limit):
        session.close_door(patience=LONG)
        before = list(rounds)
        time.sleep(0.005)
        assert not any(inside)
        assert rounds == before
        session.open_door()
        closed += 1
        time.sleep(0.01)
    over.set()
    for thread in threads:
        thread.join(LONG)
    assert not problems
    assert min(rounds) > 3
