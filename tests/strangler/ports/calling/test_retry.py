from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from strangler.ports.calling import retry
from strangler.ports.calling.retry import again, retried, retried_async
from strangler.ports.declare import Method, methods
from strangler.ports.errors import (
    BadAnswer,
    BulkheadFull,
    Busy,
    CallRefused,
    CircuitOpen,
    ConnectionLost,
    DoorShut,
    NotExecuted,
    NotOwner,
    OutcomeUnknown,
    PortError,
    TimedOut,
    TooLate,
    Unreachable,
)
from tests.strangler.ports.sample import Missing, Shop

QUERY = methods(Shop)["look"]
ONCE = methods(Shop)["sell"]
IDEMPOTENT = methods(Shop)["put"]

SAFE = {Unreachable, BulkheadFull, Busy, DoorShut}
USELESS = {CircuitOpen, TooLate, CallRefused, NotOwner}
UNKNOWN = {TimedOut, ConnectionLost, BadAnswer, OutcomeUnknown}


def leaves(error: type[PortError]) -> set[type[PortError]]:
    """Of the kit's own tree: an implementation may refine what it says."""
    found = {error, *(leaf for child in error.__subclasses__() for leaf in leaves(child))}
    return {one for one in found if one.__module__ == error.__module__}


def test_every_error_of_the_tree_is_judged_here():
    assert leaves(NotExecuted) - {NotExecuted} == SAFE | USELESS
    assert leaves(OutcomeUnknown) == UNKNOWN


@pytest.mark.parametrize("method", [QUERY, ONCE, IDEMPOTENT], ids=str)
def test_the_tree_of_errors_is_the_policy(method: Method):
    for error in SAFE:
        assert again(method, error("x"))
    for error in USELESS:
        assert not again(method, error("x"))
    for error in UNKNOWN:
        assert again(method, error("x")) is (method is not ONCE)
    assert not again(method, Missing("spade"))
    assert not again(method, ZeroDivisionError())


Try = Callable[[list[Exception | str]], str]


def waiting(ends: list[Exception | str]) -> str:
    return retried(IDEMPOTENT, lambda: end(ends), **policy(ends))


def awaiting(ends: list[Exception | str]) -> str:
    async def attempt() -> str:
        return end(ends)

    return asyncio.run(retried_async(IDEMPOTENT, attempt, **policy(ends)))


def end(ends: list[Exception | str]) -> str:
    how = ends.pop(0)
    if isinstance(how, Exception):
        raise how
    return how


def policy(ends: list[Exception | str]) -> dict:  # type: ignore[type-arg]  # keyword arguments
    return {"first": ends.pop(0), "attempts": 4, "deadline": time.monotonic() + 5}


@pytest.fixture(params=[waiting, awaiting])
def trying(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Try:
    monkeypatch.setattr(retry, "FIRST", 0.0001)
    monkeypatch.setattr(retry, "JITTER", 0.0001)
    found: Try = request.param
    return found


def test_the_first_answer_ends_it(trying: Try):
    ends: list[Exception | str] = [Busy("1"), TimedOut("2"), "answer", "not asked for"]
    assert trying(ends) == "answer"
    assert ends == ["not asked for"]


def test_an_error_that_forbids_another_try_ends_it(trying: Try):
    ends: list[Exception | str] = [Busy("1"), Missing("spade"), "not asked for"]
    with pytest.raises(Missing):
        trying(ends)
    assert ends == ["not asked for"]


def test_attempts_are_counted_with_the_first(trying: Try):
    ends: list[Exception | str] = [Busy(str(number)) for number in range(6)]
    with pytest.raises(Busy, match="3"):
        trying(ends)
    assert len(ends) == 2


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ([ConnectionLost("lost"), Unreachable("away"), CircuitOpen("open")], "lost"),
        ([Unreachable("away"), TimedOut("late"), CallRefused("no")], "late"),
        ([TimedOut("late"), ConnectionLost("lost"), TooLate("over")], "lost"),
        ([Unreachable("away"), TooLate("over")], "away"),
        ([Unreachable("away"), Busy("busy"), TooLate("over")], "busy"),
        ([Unreachable("away"), CircuitOpen("open")], "open"),
        ([Busy("busy"), CallRefused("no")], "no"),
        ([Busy("busy"), Busy("busy"), Busy("busy"), ConnectionLost("lost")], "lost"),
    ],
)
def test_what_was_perhaps_executed_is_never_called_not_executed(
    trying: Try, ends: list[Exception | str], told: str
):
    with pytest.raises(PortError) as error:
        trying(list(ends))
    assert str(error.value) == told


def test_no_wait_is_begun_that_could_outlast_the_deadline(monkeypatch: pytest.MonkeyPatch):
    waits: list[float] = []
    us, sleep = threading.get_ident(), time.sleep

    def wait(seconds: float) -> None:
        waits.append(seconds) if threading.get_ident() == us else sleep(seconds)

    monkeypatch.setattr(time, "sleep", wait)
    for left in (0.0, 1.0, 5.0):
        ends: list[Exception] = [Busy("x") for _ in range(9)]
        waits.clear()
        with pytest.raises(Busy):
            retried(
                IDEMPOTENT,
                lambda ends=ends: end(ends),  # type: ignore[misc]  # bound in the loop
                first=ends.pop(),
                attempts=5,
                deadline=time.monotonic() + left,
            )
        assert len(waits) == (0 if left == 0 else 4)
        assert all(0 < wait <= left / 4 for wait in waits)
