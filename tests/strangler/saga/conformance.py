"""What every store of sagas promises; each kind of store runs all of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from strangler.saga.errors import LockHeld, TakenOver, UnknownSaga
from strangler.saga.machine import Event, Standing, State
from strangler.saga.store import Change, Entry, KeyTaken, Record, Store


def record(key: str = "1", *, name: str = "trips.book", due: float | None = 10.0) -> Record:
    return Record(
        id=uuid4(),
        name=name,
        key=key,
        given='{"name":"ann"}',
        data='{"name":"ann"}',
        steps=("flight", "pay"),
        deadline=600.5,
        started=1.25,
        changed=2.5,
        standing=Standing(attempts=1, trying=True),
        due=due,
        holder="here",
        context='{"cohort":7}',
    )


def entry(number: int, event: Event = Event.TRY, state: State = State.RUNNING) -> Entry:
    return Entry(number, 3.5, "flight", event, state, attempt=1, token=1, detail="said")


def kept(store: Store, one: Record | None = None, *locks: str) -> Record:
    one = replace(one or record(), entries=1)
    store.create(Change(one, (entry(0),)), locks)
    return one


class Conformance:
    """``store`` is a fixture of whoever inherits this: an empty one."""

    def test_what_is_kept_is_read(self, store: Store):
        one = kept(store, None, "a", "b")

        assert store.read(one.id) == one
        assert store.find("trips.book", "1") == one
        assert store.find("trips.book", "2") is None
        assert store.find("trips.look", "1") is None
        assert store.log(one.id) == [entry(0)]
        assert store.locks(one.id) == ["a", "b"]
        with pytest.raises(UnknownSaga):
            store.read(uuid4())

    def test_everything_can_be_changed_at_once(self, store: Store):
        one = kept(store)
        standing = Standing(State.COMPENSATING, 1, 4, doubted=True, back=True)
        two = replace(
            one, data="{}", standing=standing, cause="FullUp", reason="full", trouble="no",
            due=None, holder="", token=2, entries=3, changed=9.0, ended=8.0,
        )  # fmt: skip

        entries = (entry(1), entry(2, Event.REFUSED, State.COMPENSATING))
        store.write(one, Change(two, entries))

        assert store.read(one.id) == two
        assert store.log(one.id) == [entry(0), *entries]

    def test_a_key_is_taken_once_and_locks_are_held_once(self, store: Store):
        one = kept(store, None, "a")

        with pytest.raises(KeyTaken):
            kept(store, record(), "a")
        with pytest.raises(LockHeld) as held:
            kept(store, record("2"), "0", "a", "z")
        assert (held.value.lock, held.value.saga) == ("a", one.id)
        assert store.find("trips.book", "2") is None
        other = kept(store, record(name="trips.look"), "0")
        assert store.locks(other.id) == ["0"]

    @pytest.mark.parametrize("state", State)
    def test_locks_are_let_go_at_the_end(self, store: Store, state: State):
        one = kept(store, None, "a")
        other = kept(store, record("2"), "b")

        store.write(one, Change(replace(one, standing=Standing(state))))

        assert bool(store.locks(one.id)) is not state.ended
        assert store.locks(other.id) == ["b"]

    @pytest.mark.parametrize("change", [{"token": 2}, {"entries": 2}])
    def test_whoever_has_read_something_else_writes_nothing(
        self, store: Store, change: dict[str, int]
    ):
        one = kept(store, None, "a")
        now = replace(one, **change)  # type: ignore[arg-type]  # numbers
        store.write(one, Change(now, (entry(1),) if "entries" in change else ()))
        worked: list[bool] = []

        def work() -> Change:
            worked.append(True)
            return Change(one)

        ended = Change(replace(one, standing=Standing(State.COMPLETED)), (entry(5),))
        with pytest.raises(TakenOver):
            store.write(one, ended)
        with pytest.raises(TakenOver):
            store.write_with(one, work)

        assert not worked
        assert store.read(one.id) == now
        assert len(store.log(one.id)) == now.entries
        assert store.locks(one.id) == ["a"]

    def test_work_is_done_with_what_is_written_of_it(self, store: Store):
        one = kept(store)
        two = replace(one, entries=2, data="{}")

        assert store.write_with(one, lambda: Change(two, (entry(1, Event.DONE),))) == two
        assert store.read(one.id) == two

        def broken() -> Change:
            raise KeyError("broken")

        with pytest.raises(KeyError):
            store.write_with(two, broken)
        assert store.read(one.id) == two

    def test_the_longest_overdue_comes_first(self, store: Store):
        ids = {due: kept(store, record(str(due), due=due)).id for due in (30.0, 10.0, None, 20.0)}

        assert store.due(20.0, 10) == [ids[10.0], ids[20.0]]
        assert store.due(100.0, 2) == [ids[10.0], ids[20.0]]
        assert store.due(5.0, 10) == []

    def test_what_is_claimed_is_nobody_else_s(self, store: Store):
        one = kept(store, record("1", due=10.0))
        two = kept(store, record("2", due=20.0))

        claimed = store.claim(50.0, holder="there", until=60.0)

        assert claimed == replace(one, token=2, holder="there", due=60.0)
        assert store.read(one.id) == claimed
        second = store.claim(50.0, holder="there", until=60.0)
        assert second is not None
        assert second.id == two.id
        assert store.claim(50.0, holder="there", until=60.0) is None
        with pytest.raises(TakenOver):
            store.write(one, Change(one))

    def test_what_ended_long_ago_is_forgotten_some_at_a_time(self, store: Store):
        def ended(key: str, at: float, state: State = State.COMPLETED) -> Record:
            one = kept(store, record(key, due=None))
            after = replace(one, standing=Standing(state), ended=at, entries=2)
            store.write(one, Change(after, (entry(1, Event.DONE, state),)))
            return after

        old = [ended(str(at), float(at)) for at in range(5)]
        other = ended("abandoned", 5.0, State.ABANDONED)
        young = ended("young", 10.0)
        open_ = kept(store, record("open"), "lock")
        # No store leaves such a one behind: it would keep others out for ever.
        held = kept(store, replace(record("held"), ended=1.0), "held")

        assert store.prune(0.0, 10) == 0
        assert store.prune(10.0, 4) == 4
        assert [store.find("trips.book", one.key) is None for one in old] == [True] * 4 + [False]
        assert store.prune(10.0, 4) == 2
        assert store.prune(10.0, 4) == 0

        left = {one.id for one in store.listed()}
        assert left == {young.id, open_.id, held.id}
        for one in (*old, other):
            assert store.log(one.id) == []
            with pytest.raises(UnknownSaga):
                store.read(one.id)
        assert len(store.log(young.id)) == 2
        assert store.locks(held.id) == ["held"]

    def test_the_youngest_are_listed_first(self, store: Store):
        for number in range(4):
            one = replace(record(str(number), name=f"trips.{'ab'[number % 2]}"), started=number)
            kept(store, replace(one, standing=Standing(list(State)[number // 2])))

        assert [one.key for one in store.listed()] == ["3", "2", "1", "0"]
        assert [one.key for one in store.listed(limit=2)] == ["3", "2"]
        assert [one.key for one in store.listed(name="trips.a")] == ["2", "0"]
        assert [one.key for one in store.listed(states=[State.RUNNING])] == ["1", "0"]
        both = [State.RUNNING, State.COMPENSATING]
        assert len(store.listed(states=both, name="trips.b")) == 2


class Crowd:
    """The same for many at once, each in a thread of its own with connections of its own."""

    def test_one_of_many_has_the_lock(self, store: Store, close: Callable[[], None]):
        outcomes: list[str] = []

        def start(number: int) -> None:
            try:
                kept(store, record(str(number)), "a", "b")
                outcomes.append("started")
            except LockHeld as held:
                outcomes.append(held.lock)

        _together(start, close, 6)

        assert sorted(outcomes) == [*["a"] * 5, "started"]

    def test_one_of_many_has_the_key(self, store: Store, close: Callable[[], None]):
        outcomes: list[str] = []

        def start(_: int) -> None:
            try:
                kept(store, record("same"), "a")
                outcomes.append("started")
            except KeyTaken:
                outcomes.append("taken")

        _together(start, close, 6)

        assert sorted(outcomes) == ["started", *["taken"] * 5]

    def test_whoever_comes_while_work_is_done_is_too_late(
        self, store: Store, close: Callable[[], None]
    ):
        one = kept(store)
        two = replace(one, entries=2)
        outcomes: list[str] = []

        def take_over() -> None:
            try:
                store.write(one, Change(replace(one, token=2, holder="there")))
                outcomes.append("taken over")
            except TakenOver:
                outcomes.append("too late")
            finally:
                close()

        thread = threading.Thread(target=take_over)

        def work() -> Change:
            thread.start()
            thread.join(0.2)
            assert not outcomes, "it waits"
            return Change(two, (entry(1, Event.DONE),))

        assert store.write_with(one, work) == two
        thread.join()
        assert outcomes == ["too late"]

    def test_each_is_claimed_by_one(self, store: Store, close: Callable[[], None]):
        ids = {kept(store, record(str(number))).id for number in range(20)}
        claimed: list[UUID] = []

        def claim(_: int) -> None:
            misses = 0
            while misses < 20:
                found = store.claim(50.0, holder="there", until=60.0)
                if found is None:
                    misses += 1
                else:
                    claimed.append(found.id)

        _together(claim, close, 4)

        assert len(claimed) == len(ids)
        assert set(claimed) == ids


def _together(run: Callable[[int], None], close: Callable[[], None], count: int) -> None:
    barrier = threading.Barrier(count)
    troubles: list[BaseException] = []

    def one(number: int) -> None:
        barrier.wait()
        try:
            run(number)
        except BaseException as error:  # noqa: BLE001 - shown by the thread that waits
            troubles.append(error)
        finally:
            close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not troubles, troubles
