"""Counting what arms answer: attributed to the right rung, bounded, and never in anybody's way."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core import mail
from django.db import OperationalError
from django.utils import timezone

from strangler.django.control_plane import control, evidence, state
from strangler.django.models import CapabilityState, Observation
from strangler.django.observing import counters, observations
from strangler.ladder import Arm
from tests.strangler.django.foreign import MIGRATE, Foreign
from tests.strangler.django.plane import Plane


def stands(revision: int, name: str = "pricing") -> None:
    CapabilityState.objects.update_or_create(
        name=name,
        defaults={
            "stage": "shadow",
            "since": timezone.now(),
            "since_revision": revision,
            "revision": revision,
        },
    )


def counted() -> dict[tuple[int, str], int]:
    found: dict[tuple[int, str], int] = {}
    for row in Observation.objects.all():
        key = (row.since_revision, row.arm)
        found[key] = found.get(key, 0) + row.requests
    return found


def test_what_was_recorded_is_reported_by_arm(kit: Plane) -> None:
    stands(1)
    observations.reset()  # as in a process that began after the move
    for number in range(100):
        observations.record(
            "pricing", "service", "query", seconds=0.010, failed=number < 3, fallback=number < 2
        )
    observations.record("pricing", "monolith", "command", seconds=0.2)
    observations.flush()
    observations.record("pricing", "service", "query", seconds=0.010)
    observations.flush()
    arms = evidence.arms(state.read("pricing"))
    service = arms[Arm.SERVICE]
    assert (service.requests, service.failures, service.fallbacks) == (101, 3, 2)
    assert service.quantile(0.95) == pytest.approx(0.010, rel=0.2)
    assert arms[Arm.MONOLITH].requests == 1


def test_what_began_before_a_move_does_not_count_for_the_new_rung(kit: Plane) -> None:
    stands(1)
    observations.reset()
    observations.record("pricing", "service", "query", seconds=0.0)
    observations.flush()
    stands(2)
    observations.record("pricing", "service", "query", seconds=0.0)
    observations.flush()
    assert counted() == {(1, "service"): 2}, "nobody knew of the move when it began"
    observations.record("pricing", "service", "query", seconds=5.0)
    observations.record("pricing", "service", "query", seconds=0.0)
    observations.flush()
    assert counted() == {(1, "service"): 3, (2, "service"): 1}


def test_a_move_that_a_process_learns_of_first_of_all(kit: Plane) -> None:
    observations.record("pricing", "service", "query", seconds=0.0)
    stands(3)
    observations.flush()
    assert counted() == {(0, "service"): 1}


def test_a_move_made_in_this_process_is_known_at_once(kit: Plane) -> None:
    revision = control.advance("pricing", actor="ann").revision
    observations.record("pricing", "monolith", "query", seconds=0.0)
    observations.flush()
    assert counted() == {(revision, "monolith"): 1}


def test_which_rung_a_call_counts_under(kit: Plane) -> None:
    stands(4)
    before = time.monotonic()
    assert observations.rung("pricing", before) == 0, "the move came after this process began"
    assert observations.rung("pricing", time.monotonic()) == 4
    stands(5)
    assert observations.rung("pricing", time.monotonic()) == 4, "it began before this was known"
    assert observations.rung("pricing", time.monotonic()) == 5
    assert observations.rung("catalog", time.monotonic()) == 0


def test_while_the_database_is_away_counts_are_kept_and_it_is_said_once(
    kit: Plane, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(counters, "add", away)
    monkeypatch.setattr(observations, "_close", lambda: None)
    recorder = observations._recorder
    with caplog.at_level(logging.WARNING, logger="strangler.observations"):
        for _ in range(3):
            for _ in range(1000):
                observations.record("pricing", "service", "query", seconds=0.01)
            recorder.attempt()
    assert len(recorder.pending) == 1, "a thousand calls of one bucket are one number"
    assert [record.getMessage() for record in caplog.records] == [
        "observations can't be written, and are kept meanwhile: connection refused"
    ]
    monkeypatch.undo()
    monkeypatch.setattr(observations, "_close", lambda: None)
    recorder.attempt()
    assert counted() == {(0, "service"): 3000}


def test_recording_never_waits_and_is_bounded(kit: Plane) -> None:
    recorder = observations._recorder
    with recorder.lock:  # a flush that hangs
        for _ in range(observations._QUEUE + 10):
            observations.record("pricing", "service", "query", seconds=0.01)
    assert len(recorder.queue) == observations._QUEUE


def test_recording_is_cheap(kit: Plane) -> None:
    def best() -> float:
        began = time.perf_counter()
        for _ in range(10_000):
            observations.record("pricing", "service", "query", seconds=0.01, failed=False)
        return (time.perf_counter() - began) / 10_000

    assert min(best() for _ in range(10)) < 2e-6


def test_a_forked_child_counts_for_itself(kit: Plane) -> None:
    observations.record("pricing", "service", "query", seconds=0.01)
    child = os.fork()
    if child == 0:
        os._exit(len(observations._recorder.queue))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert len(observations._recorder.queue) == 1


COUNTING = """
import os, sys, time
from strangler.django.observing import observations

def count(times):
    for _ in range(times):
        observations.record("billing", "service", "query", seconds=0.001)

count(10)            # the parent's own
child = os.fork()
if child == 0:       # as a worker of gunicorn: it leaves by sys.exit
    count(20)
    sys.exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.parametrize("ending", ["", "time.sleep(0.5)\nos.kill(os.getpid(), 9)\n"])
def test_nothing_is_lost_at_exit(tmp_path: Path, ending: str) -> None:
    shop = Foreign(tmp_path)
    done = shop.python(MIGRATE + COUNTING + ending)
    assert done.returncode == (-9 if ending else 0), done.stderr
    done = shop.python(
        "from django.db.models import Sum\n"
        "from strangler.django.models import Observation\n"
        "print(Observation.objects.using('plane').aggregate(n=Sum('requests'))['n'])"
    )
    assert done.stdout.strip() == "30", done.stderr


def test_what_tests_have_recorded_is_not_written_when_they_are_over(
    kit: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    observations.record("pricing", "service", "query", seconds=0.01)
    monkeypatch.delattr(mail, "outbox")  # as whoever runs tests for Django leaves it
    observations.at_exit()
    assert not Observation.objects.exists()


def test_the_thread_writes_by_itself(kit: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[float] = []
    recorder = observations._recorder
    monkeypatch.setattr(observations, "testing", lambda: False)
    monkeypatch.setattr(observations, "INTERVAL", 0.01)
    monkeypatch.setattr(observations._Recorder, "attempt", lambda _: flushed.append(time.time()))
    observations.record("pricing", "service", "query", seconds=0.01)
    assert recorder.thread is not None
    assert recorder.thread.daemon
    _soon(lambda: len(flushed) > 2)
    observations.reset()
    recorder.thread.join()


def _soon(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)
