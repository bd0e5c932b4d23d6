from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from strangler.ladder import COHORTS, Arm
from strangler.ports.context import Context, Trace, User, current, job, use

CALLERS_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLERS_SPAN = "00f067aa0ba902b7"
HEADER = f"00-{CALLERS_TRACE}-{CALLERS_SPAN}-01"


def test_outside_of_any_call_the_context_is_empty():
    context = current()
    assert (context.caller, context.user, context.cohort, context.deadline) == (None,) * 4
    assert (context.hops, context.shadow, dict(context.forced)) == (0, False, {})


def test_use_nests_and_restores():
    with use(Context(cohort=1)) as outer:
        with use(outer.replace(cohort=2)):
            assert current().cohort == 2
        assert current() is outer
    assert current().cohort is None


def test_use_restores_after_an_error():
    with pytest.raises(ZeroDivisionError), use(Context(cohort=1)):
        raise ZeroDivisionError
    assert current().cohort is None


def test_each_thread_and_each_task_has_its_own():
    with use(Context(cohort=1)), ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: current().cohort).result() is None

    async def inside(cohort: int) -> int | None:
        with use(Context(cohort=cohort)):
            await asyncio.sleep(0)
            return current().cohort

    async def both() -> list[int | None]:
        return await asyncio.gather(inside(1), inside(2))

    assert asyncio.run(both()) == [1, 2]


def test_a_user_is_looked_up_late_and_once():
    asked = []

    def find() -> User:
        asked.append(1)
        return User("7", ("staff",))

    context = Context(user=find)
    copy = context.replace(cohort=3)
    assert not asked
    assert context.user == copy.user == User("7", ("staff",))
    assert asked == [1]


def test_a_user_is_looked_up_once_by_many_threads():
    asked = []
    barrier = threading.Barrier(4)

    def find() -> User:
        asked.append(1)
        return User("7")

    context = Context(user=find)

    def look() -> User | None:
        barrier.wait()
        return context.user

    with ThreadPoolExecutor(4) as pool:
        found = [future.result() for future in [pool.submit(look) for _ in range(4)]]
    assert found == [User("7")] * 4
    assert asked == [1]


def test_a_lookup_that_fails_is_tried_again():
    answers = [ConnectionError, None]

    def find() -> User:
        if (error := answers.pop(0)) is not None:
            raise error
        return User("7")

    context = Context(user=find)
    with pytest.raises(ConnectionError):
        _ = context.user
    assert context.user == User("7")


def test_nobody_is_found_once_too():
    asked = []
    context = Context(user=lambda: asked.append(1))
    assert context.user is None
    assert context.user is None
    assert asked == [1]


def test_replace_changes_what_it_is_told_and_nothing_else():
    before = Context(
        caller="ordering",
        user=User("1"),
        cohort=5,
        deadline=1.5,
        hops=2,
        shadow=True,
        forced={"catalog": Arm.SERVICE},
        trace=Trace.begin(),
    )
    after = before.replace(user=None, hops=3)
    assert (after.user, after.hops) == (None, 3)
    same = ("caller", "cohort", "deadline", "shadow", "forced", "trace")
    assert all(getattr(before, name) == getattr(after, name) for name in same)
    assert (before.user, before.hops) == (User("1"), 2)


def test_replace_refuses_what_a_context_does_not_have():
    with pytest.raises(TypeError, match="no 'chort'"):
        Context().replace(chort=5)


def test_a_job_draws_one_cohort_for_all_its_calls():
    with job() as context:
        assert context.cohort in range(COHORTS)
        assert current().cohort == current().cohort == context.cohort
    drawn = set()
    for _ in range(50):
        with job() as context:
            drawn.add(context.cohort)
    assert len(drawn) > 10


def test_a_trace_goes_on_with_another_span():
    trace = Trace.continued(HEADER, "vendor=1")
    assert trace.trace == CALLERS_TRACE
    assert trace.span != CALLERS_SPAN
    assert trace.state == "vendor=1"
    assert trace.header == f"00-{CALLERS_TRACE}-{trace.span}-01"
    assert trace.child().span != trace.span
    assert trace.child().trace == CALLERS_TRACE


@pytest.mark.parametrize(
    ("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("ff", True)]
)
def test_a_trace_keeps_what_it_knows_of_the_flags(flags: str, *, sampled: bool):
    trace = Trace.continued(f"00-{CALLERS_TRACE}-{CALLERS_SPAN}-{flags}")
    assert trace.sampled is sampled
    assert trace.header.endswith("-01" if sampled else "-00")


@pytest.mark.parametrize(
    "header", [f"01-{HEADER[3:]}", f"cc-{HEADER[3:]}-what-the-future-may-bring"]
)
def test_a_later_version_of_the_header_is_continued(header: str):
    assert Trace.continued(header).trace == CALLERS_TRACE


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "garbage",
        f"00-{CALLERS_TRACE}-{CALLERS_SPAN}",
        f"00-{CALLERS_TRACE}-{CALLERS_SPAN}-01-more",
        f"00-{CALLERS_TRACE.upper()}-{CALLERS_SPAN}-01",
        f"00-{'0' * 32}-{CALLERS_SPAN}-01",
        f"00-{CALLERS_TRACE}-{'0' * 16}-01",
        f"ff-{CALLERS_TRACE}-{CALLERS_SPAN}-01",
        f"00-{CALLERS_TRACE}-{CALLERS_SPAN}-0x",
        f"00-{CALLERS_TRACE[:-1]}-{CALLERS_SPAN}-01",
    ],
)
def test_an_invalid_trace_begins_anew(header: str):
    trace = Trace.continued(header, "vendor=1")
    assert trace.trace != CALLERS_TRACE
    assert trace.state == ""
    assert Trace.parse(trace.header) is not None


@pytest.mark.parametrize("state", ["a=1\r\nX-Evil: 1", "ä=1", "x" * 513])
def test_a_trace_state_that_is_no_header_is_dropped(state: str):
    assert Trace.continued(HEADER, state).state == ""
