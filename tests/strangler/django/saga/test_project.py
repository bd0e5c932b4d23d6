"""Sagas of a project: where they are found, and who goes on with them."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.db.models import F

from strangler.django import saga as sagas
from strangler.django.saga.models import Saga as Row
from strangler.django.timers import Timer
from strangler.ports.context import current
from strangler.saga.declare import Here, Saga, pivot
from strangler.saga.machine import State
from tests.strangler.saga.trips import Callees, Crash, Trip, trips

PLACE = "monolith.pricing.sagas"


@pytest.fixture
def callees(monkeypatch: pytest.MonkeyPatch, db: None) -> Iterator[Callees]:
    """An app has a module ``sagas``, with one in it under two names."""
    made = Callees()
    module = ModuleType(PLACE)
    module.__dict__.update(BOOK=trips(made), ALIAS=trips, SAME=None)
    module.__dict__["SAME"] = module.__dict__["BOOK"]
    monkeypatch.setitem(sys.modules, PLACE, module)
    sagas._engine.cache_clear()
    yield made
    sagas._engine.cache_clear()


def book() -> Saga[Trip]:
    found: Saga[Trip] = sys.modules[PLACE].__dict__["BOOK"]
    return found


def test_a_saga_is_found_in_its_app(callees: Callees):
    assert sagas._declared().count(book()) == 1

    seen = sagas.engine().start(book(), Trip("ann"), key="1")

    assert seen.state is State.COMPLETED
    assert Row.objects.get().state == "completed"
    assert "trips.book" in str(Row.objects.get())


def test_it_is_not_started_inside_a_transaction(callees: Callees):
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        sagas.engine().start(book(), Trip("ann"), key="1")
    assert callees.calls == []


def test_what_was_left_is_swept_up(callees: Callees):
    cohorts: list[int | None] = []
    callees.will("do flight", "dies")
    with pytest.raises(Crash):
        sagas.engine().start(book(), Trip("ann"), key="1")
    assert sagas.sweep() == 0
    callees.will("do flight", lambda: cohorts.append(current().cohort))
    Row.objects.update(due=0.0)

    assert sagas.sweep() == 1

    assert Row.objects.get().state == "completed"
    assert cohorts[0] is not None


def test_celery_sweeps_them_up(callees: Callees):
    from strangler.django.tasks import sweep_sagas

    sagas.engine().start(book(), Trip("ann"), key="1", within=0.0)

    assert sweep_sagas.delay().get() == 1
    assert Row.objects.get().state == "completed"


def test_what_ended_long_ago_is_forgotten_by_the_sweep(
    callees: Callees, settings: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sagas, "PRUNED", 2)
    for key in "abcd":
        sagas.engine().start(book(), Trip("ann"), key=key)
    Row.objects.exclude(key="d").update(ended=F("ended") - 91 * 86400)

    settings.STRANGLER = settings.STRANGLER | {"SAGAS_KEPT": None}
    monkeypatch.setattr(sagas, "_pruning", sagas._Pruning())
    sagas.sweep()
    assert Row.objects.count() == 4
    del settings.STRANGLER["SAGAS_KEPT"]
    settings.STRANGLER = {**settings.STRANGLER}
    for left in (2, 1, 1):
        sagas.sweep()
        assert Row.objects.count() == left

    assert Row.objects.get().key == "d"
    Row.objects.update(ended=0.0)
    sagas.sweep()
    assert Row.objects.count() == 1, "it has looked a moment ago"


def test_a_local_step_is_undone_with_its_record(db: None):
    def confirm(trip: Trip, here: Here) -> Trip:
        Row.objects.create(
            id=UUID(int=1), name=trip.name, key="own", given="", data="", steps=[], deadline=0.0,
            context="", started=0.0, changed=0.0,
        )  # fmt: skip
        assert transaction.get_connection().in_atomic_block
        return Trip("\ud800") if here.attempt == 1 else trip

    saga = Saga("trips.own", Trip, pivot("confirm", confirm, local=True))
    from strangler.django.saga.store import Tables
    from strangler.saga.running import Running

    engine = Running(Tables("default"), [saga])

    seen = engine.start(saga, Trip("ann"), key="1")
    assert (seen.state, seen.record.standing.doubted) == (State.RUNNING, False)
    assert not Row.objects.filter(key="own").exists()
    assert engine.start(saga, Trip("ann"), key="1").state is State.COMPLETED
    assert Row.objects.filter(key="own").exists()


def test_a_timer_goes_on_whatever_happens_and_says_a_trouble_once(
    caplog: pytest.LogCaptureFixture,
):
    done = threading.Event()
    times: list[int] = []

    def run() -> None:
        times.append(len(times))
        if len(times) <= 3:
            raise OSError("the disk is full")
        done.set()

    with caplog.at_level(logging.WARNING, "strangler.timers"):
        timer = Timer("sagas", run, every=0.001)
        assert done.wait(60)
        timer.stop()

    assert [one.getMessage() for one in caplog.records] == ["sagas: OSError: the disk is full"]
    count = len(times)
    assert not timer._thread.is_alive()
    assert len(times) == count
