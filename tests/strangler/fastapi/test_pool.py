"""The pool in which a service works."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

import pytest

from strangler.fastapi.pool import Full, Overdue, Pool

_said: ContextVar[str] = ContextVar("said", default="nothing")


def run(scene: Callable[[Pool], Awaitable[None]], *, threads: int = 2, waiting: int = 1) -> None:
    async def played() -> None:
        pool = Pool(threads=threads, waiting=waiting)
        try:
            await asyncio.wait_for(scene(pool), 10)
        finally:
            pool.close()

    asyncio.run(played())


async def until(reached: Callable[[], bool]) -> None:
    for _ in range(5000):
        if reached():
            return
        await asyncio.sleep(0.001)
    raise TimeoutError


def test_it_answers_and_raises_as_the_work_does():
    def broken() -> None:
        raise ZeroDivisionError("why")

    async def scene(pool: Pool) -> None:
        assert await pool.run(lambda: 42) == 42
        with pytest.raises(ZeroDivisionError, match="why"):
            await pool.run(broken)
        assert pool.under_way == 0

    run(scene)


def test_so_many_at_once_and_so_many_waiting():
    gate = threading.Event()
    at_work: list[str] = []

    def work() -> str:
        at_work.append(threading.current_thread().name)
        gate.wait(5)
        return "done"

    async def scene(pool: Pool) -> None:
        begun = [asyncio.ensure_future(pool.run(work)) for _ in range(3)]
        await until(lambda: len(at_work) == 2)
        with pytest.raises(Full, match="3 calls are under way or waiting"):
            await pool.run(work)
        assert len(set(at_work)) == 2
        gate.set()
        assert await asyncio.gather(*begun) == ["done"] * 3
        assert len(at_work) == 3
        assert await pool.run(lambda: "again") == "again"

    run(scene)


def test_a_thread_is_hired_only_for_work():
    async def scene(pool: Pool) -> None:
        names = {await pool.run(lambda: threading.current_thread().name) for _ in range(20)}
        assert names == {"work-1"}

    run(scene, threads=8)


def test_work_runs_in_its_callers_context_and_leaves_nothing_behind():
    def say() -> str:
        heard = _said.get()
        _said.set("something else")
        return heard

    async def scene(pool: Pool) -> None:
        assert await pool.run(say) == "nothing"
        _said.set("hello")
        assert [await pool.run(say), await pool.run(say)] == ["hello", "hello"]

    run(scene, threads=1)


def test_what_is_overdue_is_never_begun():
    begun = threading.Event()

    async def scene(pool: Pool) -> None:
        with pytest.raises(Overdue):
            await pool.run(begun.set, deadline=time.monotonic() - 0.001)
        assert not begun.is_set()
        await pool.run(begun.set, deadline=time.monotonic() + 5)
        assert begun.is_set()

    run(scene)


def test_a_place_is_taken_until_the_work_ends_though_nobody_waits_for_it():
    gate = threading.Event()

    async def scene(pool: Pool) -> None:
        waiting = asyncio.ensure_future(pool.run(lambda: gate.wait(5)))
        await asyncio.sleep(0.02)
        waiting.cancel()
        await asyncio.sleep(0.02)
        assert pool.under_way == 1
        gate.set()
        await until(lambda: pool.under_way == 0)

    run(scene)


def test_closing_lets_the_threads_go():
    before = set(threading.enumerate())

    def own() -> set[threading.Thread]:
        return set(threading.enumerate()) - before

    async def scene(pool: Pool) -> None:
        await asyncio.gather(*(pool.run(lambda: time.sleep(0.01)) for _ in range(3)))
        assert len(own()) == 2

    run(scene)
    limit = time.monotonic() + 5
    while own() and time.monotonic() < limit:
        time.sleep(0.005)
    assert not own()
