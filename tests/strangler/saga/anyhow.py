"""Sagas in any order: processes that die, stop and wake up, callees that fail, an operator."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from strangler.saga.data import Written
from strangler.saga.errors import HasEnded, KeyReused, LockHeld
from strangler.saga.machine import State
from strangler.saga.store import Change, Record, Store
from tests.strangler.saga.trips import DEADLINE, LEASE, Clock, Crash, Office, Trip

STEPS = ("flight", "hotel", "pay", "tell")
CALLS = [f"do {step}" for step in STEPS] + [f"undo {step}" for step in STEPS[:3]]
FATES = ["refused", "unreachable", "silent", "lost", "mistaken", "dies before", "dies"]
NAMES = ("ann", "bob")
ENOUGH = 300
TICK = 1e-5
"""Seconds: enough for any database to tell two moments apart."""
_runs = count()


class Dying:
    """A store whose process may die before what it writes is there, or right afterwards."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.dies: list[bool] = []
        """For each of the next writes that is not well: is it there?"""
        self.well = 0
        """So many writes go well before that."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def create(self, change: Change, locks: list[str]) -> None:
        self._write(lambda: self._store.create(change, locks))

    def write(self, before: Record, change: Change) -> None:
        self._write(lambda: self._store.write(before, change))

    def claim(self, now: float, *, holder: str, until: float) -> Record | None:
        found: Record | None = self._write(
            lambda: self._store.claim(now, holder=holder, until=until)
        )
        return found

    def _write(self, write: Callable[[], Any]) -> Any:
        self.well -= 1
        if self.well >= 0 or not self.dies:
            return write()
        there = self.dies.pop()
        if there:
            write()
        raise Crash


class Ticking(Clock):
    """No two moments are the same: else the sagas' random ids would say which of two is first, and
    Hypothesis could not play an example again."""

    def __call__(self) -> float:
        self.now += TICK
        return self.now


class Anyhow(RuleBasedStateMachine):
    """Whoever comes next, Hypothesis says; the promises are kept all the time."""

    store: Callable[[], Store]
    """Makes an empty one, or one in which there is nothing of ours."""
    sure = False

    def __init__(self) -> None:
        super().__init__()
        self.dying = Dying(type(self).store())
        self.office = Office(self.dying, Ticking(), sure=self.sure)  # type: ignore[arg-type]  # it is one
        self.other = Office(self.dying, self.office.clock, self.office.callees, sure=self.sure)  # type: ignore[arg-type]  # ditto
        self.known: dict[str, UUID] = {}
        self.run = next(_runs)

    @contextmanager
    def alive(self) -> Any:
        with suppress(Crash):
            yield

    @rule(call=st.sampled_from(CALLS), fates=st.lists(st.sampled_from(FATES), max_size=5))
    def callees_fail(self, call: str, fates: list[str]):
        self.office.callees.will(call, *fates)

    @rule(call=st.sampled_from(CALLS))
    def somebody_stops_and_is_taken_over(self, call: str):
        def stop() -> None:
            self.office.clock.forward(LEASE)
            with self.alive():
                self.other.engine.sweep(10)

        self.office.callees.will(call, stop)

    @rule(well=st.integers(0, 12), there=st.booleans())
    def a_process_dies_as_it_writes(self, well: int, *, there: bool):
        self.dying.dies = [there]
        self.dying.well = well

    @rule(name=st.sampled_from(NAMES), key=st.sampled_from("1234"))
    def somebody_starts(self, name: str, key: str):
        name, key = f"{self.run}.{name}", f"{self.run}.{key}"
        held: UUID | None = None
        with self.alive():
            try:
                found, named = self.office.start(name, key=key).id, name
            except KeyReused as reused:
                found, named = reused.saga, self.named(reused.saga)
                assert named != name
            except LockHeld as lock:
                held = lock.saga
            if held is None:
                assert self.named(found) == named
                assert self.known.setdefault(key, found) == found
            else:
                assert not self.office.engine.show(held).record.state.ended

    def named(self, saga: UUID) -> str:
        return Written(Trip).decode(self.office.engine.show(saga).record.given).name

    @rule(seconds=st.sampled_from([0.6, LEASE, 60.0, DEADLINE]), twice=st.booleans())
    def time_goes_by(self, seconds: float, *, twice: bool):
        self.office.clock.forward(seconds)
        for engine in [self.office.engine, *([self.other.engine] if twice else [])]:
            with self.alive():
                for saga in engine.due(10):
                    engine.resume(saga)

    @precondition(lambda self: self.sagas())
    @rule(which=st.integers(0, 9))
    def an_operator_comes(self, which: int):
        records = self.sagas()
        record = records[which % len(records)]
        with self.alive():
            if record.state is State.STUCK:
                self.office.engine.retry(record.id, actor="eve")
            elif which == 9:
                with suppress(HasEnded):
                    self.office.engine.abandon(record.id, actor="eve", reason="why not")

    @rule()
    def what_has_ended_is_forgotten(self):
        kept = {one.id for one in self.sagas() if not one.state.ended}
        with self.alive():
            self.office.engine.prune(timedelta(0), limit=2)
        left = {one.id for one in self.sagas()}
        assert kept <= left
        self.known = {key: saga for key, saga in self.known.items() if saga in left}

    def sagas(self) -> list[Record]:
        return [
            one
            for one in self.office.engine.listed(limit=1000)
            if one.key.startswith(f"{self.run}.")
        ]

    @invariant()
    def every_promise_is_kept(self):
        callees = self.office.callees
        assert all(times == 1 for times in callees.effects.values())
        held: set[str] = set()
        for record in self.sagas():
            shown = self.office.engine.show(record.id)
            left = callees.left(record.id)
            if record.state is State.COMPLETED:
                assert left == list(STEPS)
            elif record.state is State.COMPENSATED:
                assert left == []
                undone = [key for key in callees.done if key.startswith(f"{record.id}:")]
                order = [STEPS.index(key.partition(":")[2]) for key in undone]
                assert order == sorted(order, reverse=True)
            assert bool(shown.locks) is not record.state.ended
            assert not held & set(shown.locks)
            held |= set(shown.locks)
            assert [one.number for one in shown.log] == list(range(record.entries))
            assert shown.log[-1].state is record.state
            tokens = [one.token for one in shown.log]
            assert tokens == sorted(tokens)

    def teardown(self):
        """Nothing fails any more, and everything comes to an end."""
        self.dying.dies = []
        self.office.callees.fates.clear()
        for _ in range(ENOUGH):
            records = [one for one in self.sagas() if not one.state.ended]
            if not records:
                break
            self.office.clock.forward(LEASE)
            self.office.engine.sweep(10)
            for record in records:
                if self.office.engine.show(record.id).record.state is State.STUCK:
                    self.office.engine.retry(record.id, actor="eve")
        self.every_promise_is_kept()
        assert all(record.state.ended for record in self.sagas())
        self.office.engine.prune(timedelta(0), limit=1000)
        assert not self.sagas()
