"""The lease: one mover for each capability, whoever asks, and nothing done with an old token."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from strangler.django.control_plane import control
from strangler.django.models import CapabilityState, Transfer, Writer
from strangler.django.transfer import lease as leasing
from strangler.django.transfer.lease import Leased
from strangler.ladder import Arm
from strangler.transfer.backfill import Progress
from strangler.transfer.control import LEASE, ControlAway, NotOurs, Report, Stuck
from strangler.transfer.protocol import Decision
from tests.strangler.django.plane import Plane

NAME = "catalog"


def holder(name: str) -> Leased:
    """Another process's."""
    made = Leased(NAME)
    made._holder = name
    return made


@pytest.fixture
def one(kit: Plane) -> Leased:
    return holder("one")


@pytest.fixture
def other(kit: Plane) -> Leased:
    return holder("other")


def row() -> Transfer:
    return Transfer.objects.get(pk=NAME)


def runs_out() -> None:
    Transfer.objects.filter(pk=NAME).update(until=timezone.now() - timedelta(seconds=1))


def test_one_of_two_has_it(one: Leased, other: Leased) -> None:
    assert one.acquire()
    assert not other.acquire()
    assert (row().holder, one.token) == ("one", 1)
    left = (row().until - timezone.now()).total_seconds()
    assert LEASE - 2 < left <= LEASE
    one.release()
    assert other.acquire()
    assert other.token == 2


def test_taking_it_again_makes_a_new_token(one: Leased) -> None:
    assert one.acquire()
    assert one.acquire()
    assert one.token == 2


def test_whoever_does_not_renew_loses_it(one: Leased, other: Leased) -> None:
    assert one.acquire()
    runs_out()
    one.renew()
    assert not other.acquire()
    runs_out()
    assert other.acquire()
    with pytest.raises(NotOurs):
        one.renew()
    assert row().holder == "other"


def test_a_stale_token_does_nothing(one: Leased, other: Leased) -> None:
    assert one.acquire()
    runs_out()
    assert other.acquire()
    for late in (
        one.finish_backfill,
        lambda: one.report(Report(pending=9)),
        lambda: one.record(Decision(Arm.SERVICE, 2)),
    ):
        with pytest.raises(NotOurs):
            late()
    one.release()
    now = row()
    assert (now.holder, now.epoch, now.backfilled, now.reported) == ("other", 1, False, None)


def test_the_same_holder_with_an_older_token_is_stale_too(one: Leased) -> None:
    earlier = holder("one")
    assert earlier.acquire()
    assert one.acquire()
    with pytest.raises(NotOurs):
        earlier.renew()
    earlier.release()
    one.renew()


def test_asking_for_it(one: Leased, other: Leased, monkeypatch: pytest.MonkeyPatch) -> None:
    assert one.acquire()
    assert not one.wanted()
    asked = []

    def let_go(_: float) -> None:
        asked.append(one.wanted())
        one.release()
        assert not one.acquire(), "it is somebody's turn"

    monkeypatch.setattr(leasing.time, "sleep", let_go)
    other.take()
    assert asked == [True]
    assert row().holder == "other"
    assert not other.wanted(), "asked and answered"


def test_asking_somebody_who_does_not_let_go(one: Leased, other: Leased) -> None:
    assert one.acquire()
    with pytest.raises(NotOurs, match="the mover one does not let go of catalog"):
        other.take(patience=0.1)


def test_a_wish_is_forgotten_in_time(one: Leased, other: Leased) -> None:
    assert one.acquire()
    with pytest.raises(NotOurs):
        other.take(patience=0.0)
    one.release()
    assert not one.acquire()
    Transfer.objects.update(wanted_until=timezone.now() - timedelta(seconds=1))
    assert one.acquire()


def test_a_decision_is_the_stages_and_one_epoch_further(one: Leased) -> None:
    assert one.acquire()
    assert one.decision() == Decision(Arm.MONOLITH, 1)
    one.record(Decision(Arm.SERVICE, 2))
    assert one.decision() == Decision(Arm.MONOLITH, 2), "the stage is written beside it"
    with pytest.raises(NotOurs):
        one.record(Decision(Arm.SERVICE, 2))
    with pytest.raises(NotOurs, match="nobody asked"):
        one.decide(Decision(Arm.SERVICE, 3))


def test_rows_flow_between_the_ends_of_the_ladder(one: Leased) -> None:
    assert not one.installed()
    state = CapabilityState(name=NAME, since=timezone.now(), since_revision=1, revision=1)
    for stage, flows in (("replicating", True), ("live", True), ("retired", False)):
        state.stage = stage
        state.save()
        assert one.installed() is flows


def test_a_report_is_written_down_and_renews(one: Leased) -> None:
    assert one.acquire()
    runs_out()
    one.report(
        Report(
            pending=3,
            parked=1,
            stuck=(Stuck("product", "A-1", "no"),),
            backfill=Progress(10, 20, done=False),
        )
    )
    one.renew()
    now = row()
    assert now.report["pending"] == 3
    assert now.report["stuck"] == [{"table": "product", "key": "A-1", "reason": "no"}]
    assert now.report["backfill"] == {"enqueued": 10, "total": 20, "done": False}
    assert now.until > timezone.now()


def test_writers_are_counted_for_their_rung(one: Leased) -> None:
    assert one.acquire()
    for _ in range(2):
        one.report(Report(writers={("cron", False): 2, ("view", True): 5}))
    control.hold("pricing", actor="ann")
    CapabilityState.objects.create(
        name=NAME, stage="shadow", since=timezone.now(), since_revision=9, revision=9
    )
    one.report(Report(writers={("cron" * 100, False): 1}))
    counted = Writer.objects.values_list("since_revision", "name", "door", "keys")
    assert sorted(counted) == [
        (0, "cron", False, 4),
        (0, "view", True, 10),
        (9, ("cron" * 100)[:200], False, 1),
    ]


def test_without_the_database_nobody_can_say(one: Leased, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(one, "_row", away)
    with pytest.raises(ControlAway, match="connection refused"):
        one.renew()


def _holder_of(number: int) -> str:
    """As a process of this machine is called."""
    made = Leased(NAME)._holder
    assert made.split(":")[1] == str(os.getpid())
    return made.replace(f":{os.getpid()}:", f":{number}:")


def _ended() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


def test_who_has_died_here_has_it_no_more(kit: Plane, other: Leased) -> None:
    assert holder(_holder_of(_ended())).acquire()
    assert other.acquire()


def test_who_has_died_here_wants_it_no_more(kit: Plane, one: Leased, other: Leased) -> None:
    assert one.acquire()
    Transfer.objects.update(
        wanted_by=_holder_of(_ended()), wanted_until=timezone.now() + timedelta(seconds=LEASE)
    )
    assert not one.wanted()
    with pytest.raises(NotOurs):
        other.take(patience=0)
    assert row().wanted_by == "other"
    assert one.wanted()


@pytest.mark.parametrize("elsewhere", [True, False])
def test_who_lives_or_is_elsewhere_keeps_it(kit: Plane, other: Leased, *, elsewhere: bool) -> None:
    name = _holder_of(_ended() if elsewhere else os.getppid())
    assert holder(f"{name}0" if elsewhere else name).acquire()
    assert not other.acquire()
