from __future__ import annotations

import os

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from strangler.manifest.model import Breaker as Limits
from strangler.ports.calling.breaker import Breaker, State

FAILURES, RESET = 3, 10.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(Limits(FAILURES, RESET), clock=clock)


def opened(breaker: Breaker):
    for _ in range(FAILURES):
        assert breaker.admits()
        breaker.failed()


def test_it_opens_after_failures_in_a_row(breaker: Breaker):
    for _ in range(FAILURES - 1):
        breaker.failed()
    assert breaker.state is State.CLOSED
    breaker.succeeded()
    for _ in range(FAILURES - 1):
        breaker.failed()
    assert breaker.admits()
    breaker.failed()
    assert breaker.state is State.OPEN
    assert not breaker.admits()


def test_it_lets_one_probe_through_after_the_reset(breaker: Breaker, clock: Clock):
    opened(breaker)
    clock.now = RESET - 0.1
    assert not breaker.admits()
    clock.now = RESET
    assert breaker.admits()
    assert breaker.state is State.HALF_OPEN
    assert not breaker.admits()


def test_a_probe_that_is_answered_closes_it(breaker: Breaker, clock: Clock):
    opened(breaker)
    clock.now = RESET
    assert breaker.admits()
    breaker.succeeded()
    assert breaker.state is State.CLOSED
    for _ in range(FAILURES - 1):
        breaker.failed()
    assert breaker.admits()


def test_a_probe_that_fails_opens_it_for_another_reset(breaker: Breaker, clock: Clock):
    opened(breaker)
    clock.now = RESET
    assert breaker.admits()
    breaker.failed()
    clock.now = 2 * RESET - 0.1
    assert not breaker.admits()
    clock.now = 2 * RESET
    assert breaker.admits()


def test_a_probe_that_says_nothing_leaves_room_for_the_next(breaker: Breaker, clock: Clock):
    opened(breaker)
    clock.now = RESET
    assert breaker.admits()
    breaker.undecided()
    assert breaker.state is State.HALF_OPEN
    assert breaker.admits()


def test_a_probe_that_never_comes_back_does_not_keep_it_shut(breaker: Breaker, clock: Clock):
    opened(breaker)
    clock.now = RESET
    assert breaker.admits()
    clock.now = 2 * RESET
    assert breaker.admits()


def test_an_answer_to_what_was_sent_before_it_opened_does_not_close_it(breaker: Breaker):
    opened(breaker)
    breaker.succeeded()
    assert breaker.state is State.OPEN


def test_a_late_failure_does_not_keep_it_open_longer(breaker: Breaker, clock: Clock):
    opened(breaker)
    clock.now = RESET - 1
    breaker.failed()
    clock.now = RESET
    assert breaker.admits()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_process_knows_what_the_parent_knew_and_can_go_on(breaker: Breaker):
    opened(breaker)
    with breaker._lock:
        child = os.fork()
        if child == 0:
            known = breaker.state is State.OPEN and not breaker.admits()
            os._exit(0 if known else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Any(RuleBasedStateMachine):
    """Whatever happens in whatever order, these hold."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = Breaker(Limits(FAILURES, RESET), clock=self.clock)
        self.under_way = 0
        self.in_a_row = 0
        self.probed_at: float | None = None
        self.opened_at: float | None = None

    @rule(seconds=st.integers(0, int(2 * RESET)))
    def wait(self, seconds: int):
        self.clock.now += seconds

    @rule()
    def call(self):
        before = self.breaker.state
        admitted = self.breaker.admits()
        if before is State.CLOSED:
            assert admitted
        elif admitted:
            # Open for a whole reset, and never two probes within one unless the last has ended.
            assert self.breaker.state is State.HALF_OPEN
            assert self.opened_at is not None
            assert self.clock.now - self.opened_at >= RESET
            assert self.probed_at is None or self.clock.now - self.probed_at >= RESET
            self.probed_at = self.clock.now
        else:
            assert self.breaker.state is before
        self.under_way += admitted

    @precondition(lambda self: self.under_way)
    @rule()
    def succeed(self):
        before = self.breaker.state
        self.under_way -= 1
        self.breaker.succeeded()
        assert self.breaker.state is (State.OPEN if before is State.OPEN else State.CLOSED)
        self.in_a_row = 0
        self.probed_at = None

    @precondition(lambda self: self.under_way)
    @rule()
    def fail(self):
        before = self.breaker.state
        self.under_way -= 1
        self.breaker.failed()
        self.in_a_row += 1
        if before is State.CLOSED:
            opens = self.in_a_row >= FAILURES
            assert self.breaker.state is (State.OPEN if opens else State.CLOSED)
        else:
            assert self.breaker.state is State.OPEN
        if before is not State.OPEN and self.breaker.state is State.OPEN:
            self.opened_at = self.clock.now
            self.probed_at = None

    @precondition(lambda self: self.under_way)
    @rule()
    def end_undecided(self):
        before = self.breaker.state
        self.under_way -= 1
        self.breaker.undecided()
        assert self.breaker.state is before
        self.probed_at = None

    @invariant()
    def it_is_never_shut_for_good(self):
        now = self.clock.now
        circuit = self.breaker._circuit
        assert circuit.admit(self.breaker.limits, now + RESET) is not None


TestAny = Any.TestCase
TestAny.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
