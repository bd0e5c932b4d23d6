"""Work out of the way: bounded, dropped when there is too much, and never inherited by a child."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from strangler.shadow.tee import Tee


def test_work_is_done_in_a_thread_of_its_own() -> None:
    done: list[tuple[int, str]] = []
    tee: Tee[int] = Tee(lambda work: done.append((work, threading.current_thread().name)))
    assert all(tee.offer(number) for number in range(5))
    assert tee.drain(5)
    assert done == [(number, "strangler-shadow") for number in range(5)]


def test_what_finds_no_room_is_dropped_at_once() -> None:
    release = threading.Event()
    began = threading.Event()

    def work(_: int) -> None:
        began.set()
        release.wait(10)

    tee: Tee[int] = Tee(work, capacity=2)
    assert tee.offer(1)
    assert began.wait(5)
    assert [tee.offer(number) for number in (2, 3)] == [True, True]
    before = time.perf_counter()
    assert not tee.offer(4)
    assert tee.full
    assert time.perf_counter() - before < 0.1
    release.set()
    assert tee.drain(5)


def test_at_the_end_what_is_under_way_is_finished_and_the_rest_handed_back() -> None:
    began = threading.Event()
    done: list[int] = []

    def work(number: int) -> None:
        began.set()
        time.sleep(0.05)
        done.append(number)

    tee: Tee[int] = Tee(work)
    for number in range(4):
        tee.offer(number)
    assert began.wait(5)
    assert tee.stop(5) == [1, 2, 3]
    assert done == [0]
    assert not tee.offer(4)


def test_a_failure_does_not_end_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    def work(number: int) -> None:
        if number == 1:
            raise ValueError("planted")
        done.append(number)

    tee: Tee[int] = Tee(work)
    assert tee.offer(1)
    assert tee.offer(2)
    assert tee.drain(5)
    assert done == [2]
    assert "planted" in caplog.text


def test_it_looks_after_itself_when_there_is_nothing_to_do() -> None:
    idle = threading.Event()
    tee: Tee[int] = Tee(lambda _: None, idle=idle.set, interval=0.01)
    assert not idle.wait(0.05)
    assert tee.offer(1)
    assert idle.wait(5)


@pytest.fixture
def busy() -> Iterator[None]:
    """Something else to do for this process."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            sum(range(1000))

    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.usefixtures("busy")
def test_in_a_busy_process_nothing_is_under_way_for_most_of_the_time() -> None:
    tee: Tee[int] = Tee(lambda _: time.sleep(0.01), share=0.1)
    before = time.monotonic()
    for number in range(6):
        tee.offer(number)
    assert tee.drain(10)
    assert time.monotonic() - before > 5 * 0.1


def test_in_a_process_with_nothing_else_to_do_it_does_not_rest() -> None:
    # Where others keep the processors, it may take this process for a busy one: not every time.
    assert any(_twenty() < 1.0 for _ in range(5)), "half of what a single rest would take"


def _twenty() -> float:
    """Seconds for twenty pieces of work, each of which might be followed by a rest of two."""
    tee: Tee[int] = Tee(lambda _: time.sleep(0.01), share=0.005)
    before = time.monotonic()
    for number in range(20):
        tee.offer(number)
    tee.drain(10)
    return time.monotonic() - before


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_process_begins_anew() -> None:
    release = threading.Event()
    tee: Tee[int] = Tee(lambda _: release.wait(10) and None)
    assert tee.offer(1)
    assert tee.offer(2)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        # Nothing here may raise into pytest, or run what it runs at exit.
        status = 1
        try:
            done: list[int] = []
            tee._handle = done.append
            if tee.offer(3) and tee.drain(5) and done == [3]:
                status = 0
            os.write(write, repr(done).encode())
        finally:
            os._exit(status)
    release.set()
    os.close(write)
    _, status = os.waitpid(child, 0)
    said = os.read(read, 100)
    os.close(read)
    assert (os.waitstatus_to_exitcode(status), said) == (0, b"[3]")
    assert tee.drain(5)
