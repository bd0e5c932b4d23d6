"""What the engine does when all goes well, and when it does not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import pytest

from strangler.ports import runtime
from strangler.ports.context import Context, User, current, use
from strangler.ports.errors import DoorShut
from strangler.saga.course import LARGEST, pause
from strangler.saga.declare import Here, Saga, pivot
from strangler.saga.errors import (
    BadData,
    HasEnded,
    KeyReused,
    LockHeld,
    Newer,
    NotDeclared,
    NotNow,
    NotStuck,
    ReasonMissing,
    Unfit,
    UnknownSaga,
)
from strangler.saga.machine import Event, State
from strangler.saga.memory import Memory
from strangler.saga.running import CLAIM, Running
from strangler.saga.store import Change, Record
from tests.strangler.saga.trips import ATTEMPTS, DEADLINE, LEASE, Crash, Office, Trip, trips


@pytest.fixture(params=[(), ("flight", "hotel", "pay", "tell")], ids=["remote", "local"])
def office(request: pytest.FixtureRequest) -> Office:
    return Office(Memory(), local=request.param)


@pytest.fixture
def remote() -> Office:
    return Office(Memory())


def test_all_goes_well(office: Office):
    seen = office.start()

    assert (seen.state, seen.now) == (State.COMPLETED, True)
    assert seen.data == Trip("ann", ("flight", "hotel", "pay", "tell"))
    assert office.callees.left(seen.id) == ["flight", "hotel", "pay", "tell"]
    shown = office.engine.show(seen.id)
    assert [(one.event, one.step) for one in shown.log] == [
        (event, step) for step in shown.record.steps for event in (Event.TRY, Event.DONE)
    ]
    assert (shown.locks, shown.record.due, shown.record.holder) == ([], None, "")


@pytest.mark.parametrize("step", ["flight", "hotel", "pay"])
def test_what_is_refused_turns_it(office: Office, step: str):
    office.callees.will(f"do {step}", "refused")

    seen = office.start()

    assert (seen.state, seen.now) == (State.COMPENSATED, True)
    assert (seen.cause, seen.reason) == (
        "FullUp", f"There is no room left. (step='do {step}')",
    )  # fmt: skip
    assert office.callees.left(seen.id) == []
    undone = [call for call in office.callees.calls if call.startswith("undo")]
    before = ["flight", "hotel", "pay"][: ["flight", "hotel", "pay"].index(step)]
    # One that was refused over a wire is undone, too: an earlier copy may still be on its way.
    again = [f"undo {step}"] if not office.local and step != "pay" else []
    assert undone == [*again, *(f"undo {one}" for one in reversed(before))]
    assert office.engine.show(seen.id).locks == []


def test_what_is_refused_behind_the_pivot_needs_an_operator(office: Office):
    office.callees.will("do tell", "refused")

    seen = office.start()

    assert seen.state is State.STUCK
    assert seen.trouble.startswith("FullUp: There is no room left.")
    assert office.engine.show(seen.id).locks == ["trip:ann"]
    assert office.engine.due(10) == []
    assert office.engine.retry(seen.id, actor="eve").state is State.COMPLETED
    log = office.engine.show(seen.id).log
    assert [one.detail for one in log if one.event is Event.RETRY] == ["eve"]


@pytest.mark.parametrize("fate", ["unreachable", "silent", "lost", "mistaken"])
def test_what_fails_is_tried_again_after_growing_pauses(remote: Office, fate: str):
    remote.callees.will("do hotel", *[fate] * 4)

    seen = remote.start()

    for attempt in range(1, 5):
        assert (seen.state, seen.record.standing.attempts) == (State.RUNNING, attempt)
        assert seen.trouble
        assert seen.record.due == remote.clock.now + pause(attempt)
        assert remote.engine.due(10) == []
        assert remote.engine.resume(seen.id).record == seen.record, "nobody goes on before that"
        seen = remote.resume(seen.id, after=pause(attempt))
    assert (seen.state, seen.trouble) == (State.COMPLETED, "")
    assert remote.callees.effects.total() == 4


def test_pauses_grow_to_a_minute():
    assert [pause(attempt) for attempt in (1, 2, 3, 7, 8, 1000)] == [
        0.5, 1.0, 2.0, 32.0, LARGEST, LARGEST,
    ]  # fmt: skip


@pytest.mark.parametrize(("fate", "undone"), [("silent", True), ("unreachable", False)])
def test_at_its_deadline_it_turns_and_undoes_what_may_have_been_done(
    remote: Office, fate: str, *, undone: bool
):
    remote.callees.will("do hotel", *[fate] * 100)
    seen = remote.start()

    seen = remote.resume(seen.id, after=DEADLINE)

    assert seen.state is State.COMPENSATED
    assert seen.cause == "DeadlinePassed"
    assert seen.reason == "It was not done by its deadline."
    assert ("undo hotel" in remote.callees.calls) is undone
    assert remote.callees.calls[-1] == "undo flight"
    assert remote.callees.left(seen.id) == []


def test_somebody_looks_at_the_deadline_and_not_only_after_the_pause(remote: Office):
    remote.callees.will("do hotel", *["silent"] * 100)
    seen = remote.start()
    seen = remote.resume(seen.id, after=DEADLINE - 0.1)

    assert seen.state is State.RUNNING
    assert seen.record.due == seen.record.deadline
    assert remote.resume(seen.id, after=0.1).state is State.COMPENSATED


def test_a_pivot_of_which_nobody_knows_is_tried_on_and_said_to_be_late(
    remote: Office, caplog: pytest.LogCaptureFixture
):
    remote.callees.will("do pay", *["silent"] * 2)
    seen = remote.start()

    with caplog.at_level(logging.WARNING, "strangler.saga"):
        seen = remote.resume(seen.id, after=DEADLINE)

    assert seen.state is State.RUNNING
    assert seen.record.late(remote.clock.now)
    assert "is late at pay: TimedOut" in caplog.text
    assert remote.resume(seen.id, after=LARGEST).state is State.COMPLETED


def test_a_pivot_that_can_be_undone_is_at_the_deadline():
    office = Office(Memory(), sure=True)
    office.callees.will("do pay", "lost", "silent")
    seen = office.start()

    seen = office.resume(seen.id, after=DEADLINE)

    assert seen.state is State.COMPENSATED
    assert office.callees.calls[-3:] == ["undo pay", "undo hotel", "undo flight"]
    assert office.callees.left(seen.id) == []


def test_what_can_not_be_undone_gets_stuck_and_keeps_its_locks(office: Office):
    office.callees.will("do pay", "refused")
    office.callees.will("undo flight", *["mistaken"] * (ATTEMPTS + 1))
    seen = office.start()
    for _ in range(ATTEMPTS - 1):
        assert seen.state is State.COMPENSATING
        seen = office.resume(seen.id, after=LARGEST)

    assert (seen.state, seen.cause) == (State.STUCK, "FullUp")
    assert office.engine.show(seen.id).locks == ["trip:ann"]
    with pytest.raises(LockHeld):
        office.start(key="2")
    assert office.engine.retry(seen.id, actor="eve").state is State.COMPENSATING
    assert office.resume(seen.id, after=LARGEST).state is State.COMPENSATED
    assert office.callees.left(seen.id) == []


def test_an_operator_ends_it(remote: Office):
    remote.callees.will("do hotel", "silent")
    seen = remote.start()
    with pytest.raises(ReasonMissing):
        remote.engine.abandon(seen.id, actor="eve", reason=" ")

    record = remote.engine.abandon(seen.id, actor="eve", reason="the hotel has burnt down")

    assert record == remote.engine.show(seen.id).record
    assert record.state is State.ABANDONED
    shown = remote.engine.show(seen.id)
    assert shown.locks == []
    assert shown.log[-1].detail == "eve: the hotel has burnt down"
    assert remote.callees.left(seen.id) == ["flight"]
    with pytest.raises(HasEnded):
        remote.engine.abandon(seen.id, actor="eve", reason="once more")
    with pytest.raises(NotStuck):
        remote.engine.retry(seen.id, actor="eve")


def test_its_declaration_writes_down_that_it_was_abandoned():
    left: list[tuple[Trip, str, bool]] = []

    def leave(trip: Trip, here: Here) -> None:
        if not left:
            left.append((trip, here.step, False))
            raise OSError("the disk is full")
        left.append((trip, here.step, True))

    office = Office(Memory(), abandoned=leave)
    office.callees.will("do hotel", "silent")
    seen = office.start()
    with pytest.raises(OSError, match="the disk is full"):
        office.engine.abandon(seen.id, actor="eve", reason="it has burnt down")
    assert office.engine.show(seen.id).record.state is State.RUNNING

    record = office.engine.abandon(seen.id, actor="eve", reason="it has burnt down")

    assert record.state is State.ABANDONED
    trip = Trip("ann", ("flight",))
    assert left == [(trip, "hotel", False), (trip, "hotel", True)]


@pytest.mark.parametrize("what", ["not declared", "unread"])
def test_what_is_not_known_any_more_is_abandoned_all_the_same(
    what: str, caplog: pytest.LogCaptureFixture
):
    store = Memory()
    office = Office(store, abandoned=lambda _trip, _here: pytest.fail("it can't be called"))
    office.callees.will("do hotel", "silent")
    seen = office.start()
    if what == "unread":
        record = store.read(seen.id)
        store.write(record, Change(replace(record, data="{}")))
    engine = Running(store, [office.saga] if what == "unread" else [], clock=office.clock)

    assert engine.abandon(seen.id, actor="eve", reason="old").state is State.ABANDONED
    assert "nothing is written but its own row" in caplog.text


def test_a_key_is_one_saga(remote: Office):
    first = remote.start()
    again = remote.start()

    assert (again.id, again.data, again.now) == (first.id, first.data, False)
    assert len(remote.callees.calls) == 4
    with pytest.raises(KeyReused) as reused:
        remote.start("bob")
    assert reused.value.saga == first.id
    assert remote.start("bob", key="2").id != first.id


def test_whoever_asks_again_goes_on_at_once(remote: Office):
    remote.callees.will("do hotel", "silent")
    first = remote.start()
    assert first.state is State.RUNNING

    again = remote.start()

    assert (again.id, again.state, again.now) == (first.id, State.COMPLETED, True)


def test_whoever_asks_again_does_not_hurry_a_compensation(remote: Office):
    remote.callees.will("do pay", "refused")
    remote.callees.will("undo hotel", "silent")
    first = remote.start()
    assert first.state is State.COMPENSATING

    assert remote.start().record == first.record


def test_a_lock_is_held_by_one(remote: Office):
    remote.callees.will("do hotel", "silent")
    first = remote.start()

    with pytest.raises(LockHeld) as held:
        remote.start(key="2")

    assert (held.value.lock, held.value.saga) == ("trip:ann", first.id)
    remote.resume(first.id, after=pause(1))
    assert remote.start(key="2").state is State.COMPLETED


def test_what_there_is_no_time_for_is_left(remote: Office):
    remote.callees.will("do flight", lambda: None)
    with use(Context(user=User("7", ("customer",)), cohort=12)):
        seen = remote.start(within=0.0)
    assert (seen.state, seen.record.holder) == (State.RUNNING, "")
    assert remote.callees.calls == []

    whom = []
    remote.callees.will("do hotel", lambda: whom.append((current().user, current().cohort)))
    assert remote.engine.sweep(10) == 1

    assert remote.engine.show(seen.id).record.state is State.COMPLETED
    assert whom == [(User("7", ("customer",)), 12)], "for whom it was started"


def test_the_deadline_of_the_call_that_is_served_counts_too(remote: Office):
    with use(Context(deadline=0.0)):
        assert remote.start(within=10.0).record.standing.at == 0
    assert remote.callees.calls == []


def test_a_local_step_comes_in_by_the_door_of_its_capability(office: Office):
    entered: list[str] = []

    @contextmanager
    def door(capability: str, _deadline: float) -> Iterator[int | None]:
        entered.append(capability)
        if len(entered) == 1:
            raise DoorShut("it changes owner")
        yield 1

    with runtime.configured(door=door):
        seen = office.start()
        if office.local:
            assert (seen.state, seen.trouble) == (State.RUNNING, "DoorShut: it changes owner")
            assert not seen.record.standing.maybe
            seen = office.resume(seen.id, after=pause(1))

    assert seen.state is State.COMPLETED
    assert entered == ["trips"] * (5 if office.local else 0)


def test_while_its_door_is_shut_nothing_is_abandoned():
    office = Office(Memory(), abandoned=lambda _trip, _here: None)
    office.callees.will("do hotel", "silent")
    seen = office.start()

    @contextmanager
    def door(_capability: str, _deadline: float) -> Iterator[int | None]:
        raise DoorShut("it changes owner")
        yield

    with runtime.configured(door=door), pytest.raises(NotNow, match="it changes owner"):
        office.engine.abandon(seen.id, actor="eve", reason="it has burnt down")

    assert office.engine.show(seen.id).record == seen.record
    assert office.engine.abandon(seen.id, actor="eve", reason="again").state is State.ABANDONED


def test_whoever_was_taken_over_writes_nothing(remote: Office):
    """A process is stopped while it calls; another goes on; the first wakes up."""
    other = Office(remote.store, remote.clock, remote.callees)

    def stopped() -> None:
        remote.clock.forward(LEASE)
        (saga,) = other.engine.due(10)
        assert other.engine.resume(saga).state is State.COMPLETED

    remote.callees.will("do hotel", stopped)

    seen = remote.start()

    assert (seen.state, seen.now) == (State.COMPLETED, False)
    assert remote.callees.effects.total() == 4
    log = remote.engine.show(seen.id).log
    assert [one.number for one in log] == list(range(len(log)))
    assert [one.token for one in log if one.event is Event.DONE] == [1, 2, 2, 2]


@pytest.mark.parametrize("fate", ["dies before", "dies"])
@pytest.mark.parametrize("step", ["flight", "hotel", "pay", "tell"])
def test_whoever_dies_is_succeeded(remote: Office, step: str, fate: str):
    remote.callees.will(f"do {step}", fate)
    with pytest.raises(Crash):
        remote.start()
    assert remote.engine.sweep(10) == 0, "its lease has not run out"
    assert remote.start().state is State.RUNNING, "nor for whoever asks again"

    remote.clock.forward(LEASE)

    assert remote.engine.sweep(10) == 1
    (record,) = remote.engine.listed()
    assert record.state is State.COMPLETED
    assert remote.callees.effects.total() == 4


class Full(Memory):
    """A store that can't keep what becomes of one saga."""

    full: UUID | None = None

    def write(self, before: Record, change: Change) -> None:
        if before.id == self.full and change.entries:
            raise OSError("the disk is full")
        super().write(before, change)


def test_one_that_fails_does_not_keep_the_others(caplog: pytest.LogCaptureFixture):
    store = Full()
    office = Office(store)
    ids = [office.start(name, key=name, within=0.0).id for name in ("ann", "bob", "cleo")]
    store.full = ids[1]

    assert office.engine.sweep(10) == 3

    states = [office.engine.show(one).record.state for one in ids]
    assert states == [State.COMPLETED, State.RUNNING, State.COMPLETED]
    assert "could not be gone on with" in caplog.text


def test_a_sweep_ends_after_a_while(remote: Office):
    for name in ("ann", "bob"):
        remote.start(name, key=name, within=0.0)

    assert remote.engine.sweep(10, within=0.0) == 0
    assert remote.engine.sweep(10, within=60.0) == 2


def test_what_is_not_declared_here_waits(remote: Office, caplog: pytest.LogCaptureFixture):
    seen = remote.start(within=0.0)
    stranger = Running(remote.store, [], clock=remote.clock)

    assert stranger.sweep(10) == 1

    assert "'trips.book' is not declared here: there is none" in caplog.text
    assert remote.engine.due(10) == []
    with pytest.raises(NotDeclared):
        stranger.resume(seen.id)
    with pytest.raises(NotDeclared):
        stranger.start(remote.saga, Trip("bob"), key="2")
    remote.clock.forward(LARGEST)
    assert remote.engine.resume(seen.id).state is State.COMPLETED


@dataclass(frozen=True, slots=True)
class Passenger:
    """As it is declared in an older process."""

    name: str


@dataclass(frozen=True, slots=True)
class Party:
    """Likewise."""

    passengers: tuple[Passenger, ...]
    seats: dict[str, Passenger | None]


@dataclass(frozen=True, slots=True)
class Guest:
    """As it is declared in a newer one."""

    name: str
    meal: str = "any"


@dataclass(frozen=True, slots=True)
class Group:
    """Likewise."""

    passengers: tuple[Guest, ...]
    seats: dict[str, Guest | None]
    method: str = "card"


def test_what_has_data_that_is_not_known_here_waits_for_a_newer_process(
    remote: Office, caplog: pytest.LogCaptureFixture
):
    paid: list[object] = []

    def pay(data: object, here: Here) -> None:
        paid.append(data)

    old = Saga("trips.pay", Party, pivot("pay", pay))
    new = Saga("trips.pay", Group, pivot("pay", pay))
    older = Running(remote.store, [old], clock=remote.clock)
    newer = Running(remote.store, [new], clock=remote.clock)
    group = Group((Guest("ann", "none"),), {"1A": None}, "invoice")
    seen = newer.start(new, group, key="1", within=0.0)
    asked = Party((Passenger("ann"),), {"1A": None})

    with pytest.raises(Newer, match=r"has \$\.passengers\[0\]\.meal, which the trips\.pay"):
        older.resume(seen.id)
    assert older.start(old, asked, key="1").record == seen.record
    assert older.sweep(10) == 1

    left = older.show(seen.id).record
    assert older.listed() == [left]
    assert (left.state, left.holder, left.trouble) == (State.RUNNING, "", "")
    assert (left.data, left.entries) == (seen.record.data, seen.record.entries)
    assert older.sweep(10) == 0, "it is put off"
    assert [one.levelname for one in caplog.records] == ["ERROR"]
    assert "a newer process goes on with it" in caplog.text
    remote.clock.forward(LARGEST)
    assert newer.sweep(10) == 1
    assert newer.show(seen.id).record.state is State.COMPLETED
    assert paid == [group]

    # What is stuck waits for a newer process, too; what has no such data is gone on with.
    other = Running(
        remote.store, [Saga("trips.pay", Group, pivot("pays", pay))], clock=remote.clock
    )
    seen = newer.start(new, Group((), {"1A": Guest("bob")}), key="2", within=0.0)
    with pytest.raises(Unfit):
        other.resume(seen.id)
    with pytest.raises(Newer, match=r"\$\.seats\.1A\.meal"):
        older.retry(seen.id, actor="eve")
    assert older.abandon(seen.id, actor="eve", reason="bob").state is State.ABANDONED
    seen = older.start(old, asked, key="3", within=0.0)
    assert newer.resume(seen.id).data == Group((Guest("ann"),), {"1A": None})


def test_what_does_not_fit_the_code_is_stuck_until_it_does(remote: Office):
    seen = remote.start(within=0.0)
    pay = pivot("pay", remote.callees.do)
    other = Running(remote.store, [Saga("trips.book", Trip, pay)], clock=remote.clock)

    with pytest.raises(
        Unfit, match=r"its steps were flight, hotel, pay, tell, and trips\.book has"
    ):
        other.resume(seen.id)

    record = remote.engine.show(seen.id).record
    assert record.state is State.STUCK
    assert "under another name" in record.trouble
    with pytest.raises(Unfit):
        other.retry(seen.id, actor="eve")
    assert remote.engine.sweep(10) == 0
    assert remote.engine.retry(seen.id, actor="eve").state is State.COMPLETED


def test_what_a_step_gives_has_to_be_data(remote: Office):
    def give(trip: Trip, here: Here) -> str:
        return "a string"

    saga = Saga("trips.odd", Trip, pivot("pay", give))  # type: ignore[arg-type]  # the mistake
    engine = Running(remote.store, [saga], clock=remote.clock)

    seen = engine.start(saga, Trip("ann"), key="1")

    assert seen.state is State.RUNNING
    assert seen.trouble == "BadData: expected Trip, got str"
    with pytest.raises(BadData):
        engine.start(saga, "a string", key="2")  # type: ignore[arg-type, misc]  # the mistake


def test_strangers_are_not_known(remote: Office):
    with pytest.raises(UnknownSaga):
        remote.engine.show(uuid4())
    with pytest.raises(TypeError, match=r"two sagas are called 'trips\.book'"):
        Running(remote.store, [remote.saga, trips(remote.callees)])


def test_a_claim_is_long_enough_to_read_the_lease():
    assert CLAIM >= 1
