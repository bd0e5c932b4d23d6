"""What a Django process tells its ports: guard, observations, jobs, delivered tokens, tables."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction

from contracts.pricing import Pricing
from strangler.django import conf, jobs, tables
from strangler.django.control_plane import evidence, state
from strangler.django.models import Delivery
from strangler.django.observing import observations
from strangler.django.ports import replays, wiring
from strangler.django.ports.replays import DatabaseReplays
from strangler.ladder import Arm
from strangler.ports import context, runtime
from strangler.ports.context import Context
from strangler.ports.declare import methods
from strangler.ports.guard import CallInTransaction
from strangler.routing.decide import Kind
from tests.strangler.django.plane import Plane

QUOTE = methods(Pricing)["quote"]


def test_a_port_call_inside_a_transaction_raises_in_tests(db: None) -> None:
    guard = wiring.Guard()
    guard(QUOTE)  # the test's own transaction does not count
    with transaction.atomic(), pytest.raises(CallInTransaction, match="inside an open transaction"):
        guard(QUOTE)
    with context.use(context.current().replace(shadow=True)), transaction.atomic():
        guard(QUOTE)  # never committed: a shadow's question


def test_it_warns_in_development_and_looks_for_nothing_in_production(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(observations, "testing", lambda: False)
    settings.DEBUG = True
    development = wiring.Guard()
    settings.DEBUG = False
    production = wiring.Guard()
    with transaction.atomic():
        production(QUOTE)
        assert not caplog.records
        for _ in range(3):
            development(QUOTE)
    (record,) = caplog.records
    assert __file__ in record.getMessage(), "it names the caller, once"


@pytest.mark.parametrize(
    ("outcome", "arm", "counts"),
    [
        ("ok", Arm.MONOLITH, (Arm.MONOLITH, 1, 0, 0)),
        ("declared", Arm.SERVICE, (Arm.SERVICE, 1, 0, 0)),
        ("failed", Arm.SERVICE, (Arm.SERVICE, 1, 1, 0)),
        ("fallback", Arm.SERVICE, (Arm.SERVICE, 1, 1, 1)),
        ("fallback", Arm.MONOLITH, (Arm.SERVICE, 1, 1, 1)),
    ],
)
def test_port_calls_are_traffic(
    kit: Plane, outcome: str, arm: Arm, counts: tuple[Arm, int, int, int]
) -> None:
    observe = runtime.wiring.observe
    assert observe is not None
    observe("pricing", arm, Kind.QUERY, outcome, 0.01)
    observations.flush()
    asked, requests, failures, fallbacks = counts
    report = evidence.arms(state.read("pricing"))[asked]
    assert (report.requests, report.failures, report.fallbacks) == (requests, failures, fallbacks)


def test_this_process_is_wired() -> None:
    now = runtime.wiring
    assert now.party == "monolith"
    assert now.urls is not None
    assert now.urls("pricing", Arm.SERVICE) == conf.manifest().capabilities["pricing"].service
    assert now.urls("pricing", Arm.MONOLITH) == (conf.manifest().edge.monolith,)
    assert now.audience("pricing", Arm.SERVICE) == "pricing"
    assert now.resilience("pricing").attempts == 3
    assert isinstance(now.guard, wiring.Guard)
    assert isinstance(now.replays, DatabaseReplays)


def test_a_job_has_one_cohort_for_its_whole_run() -> None:
    task = SimpleNamespace(name="shop.tidy", request=SimpleNamespace(is_eager=False))
    jobs._begin(task_id="1", task=task)
    first = context.current().cohort
    assert first is not None
    assert context.current().cohort == first
    jobs._end(task_id="1")
    assert context.current().cohort is None
    jobs._end(task_id="never begun")


def test_a_task_that_runs_within_a_request_stays_with_its_client() -> None:
    task = SimpleNamespace(name="shop.tidy", request=SimpleNamespace(is_eager=True))
    with context.use(Context(cohort=17)):
        jobs._begin(task_id="2", task=task)
        assert context.current().cohort == 17
        jobs._end(task_id="2")
        assert context.current().cohort == 17


def test_celery_s_own_tasks_draw_a_cohort() -> None:
    from celery import Celery

    app = Celery("test", broker="memory://")
    app.conf.task_always_eager = True
    seen = []

    @app.task
    def look() -> None:
        seen.append(context.current().cohort)

    jobs.connect()
    look.delay()
    assert seen[0] in range(1000)
    assert context.current().cohort is None


def test_a_token_is_delivered_once_to_all_processes(
    kit: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = time.time() + 30
    assert DatabaseReplays().first("pricing", "a", soon)
    assert not DatabaseReplays().first("pricing", "a", soon)
    assert DatabaseReplays().first("catalog", "a", soon)
    assert DatabaseReplays().first("pricing", "old", time.time() - 1)
    guard = DatabaseReplays()
    monkeypatch.setattr(replays, "_TIDY", -1.0)
    assert guard.first("pricing", "b", soon)
    assert not Delivery.objects.filter(token="old").exists()
    assert Delivery.objects.count() == 3


def test_the_tables_of_a_capability(kit: Plane) -> None:
    capabilities = conf.manifest().capabilities
    assert not tables.has_tables(capabilities["pricing"])
    names = {model._meta.model_name for model in tables.tables(capabilities["catalog"])}
    assert {"product", "category"} <= names
