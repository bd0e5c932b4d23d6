"""The evidence of a capability's rows, as its gates are given it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from strangler.django.control_plane import control
from strangler.django.control_plane.errors import MoveRefused
from strangler.django.models import Transfer, Writer
from strangler.django.transfer import judging, lagging, losing, seeing, verifying
from strangler.django.transfer.judging import Since
from strangler.gates import Outcome
from strangler.ladder import Gate, Stage
from strangler.transfer import verify
from strangler.transfer.gate import Flowing, Verified
from tests.strangler.django.transfer.rows import ANN, Rows

PASSED, FAILED, INCONCLUSIVE = Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE
NOW = Since(0, 60.0)


def outcomes(catalog: Rows, gate: Gate, since: Since = NOW) -> set[Outcome]:
    return {one.outcome for one in judging.judge(gate, catalog.capability, since)}


def test_nothing_is_known_at_first(catalog: Rows) -> None:
    assert judging.flowing(None) == Flowing()
    assert judging.verified(None) == Verified()
    assert judging.flowing(Transfer(backfilled=True)) == Flowing(backfilled=True)
    assert outcomes(catalog, Gate.REPLICATED) == {FAILED, INCONCLUSIVE}
    assert outcomes(catalog, Gate.THROUGH_DOOR) == {PASSED}


def test_rows_that_fit_may_leave(catalog: Rows) -> None:
    assert judging.problems(catalog.capability) == []
    assert outcomes(catalog, Gate.TRANSFERABLE) == {PASSED}


def test_what_does_not_fit_is_said(catalog: Rows) -> None:
    catalog.service("ALTER TABLE category RENAME COLUMN depth TO deep")
    said = judging.judge(Gate.TRANSFERABLE, catalog.capability, NOW)
    assert any("category" in one.message and "depth" in one.message for one in said)
    with pytest.raises(MoveRefused):
        control.advance("catalog", actor=ANN, force=True, reason="now")
    assert catalog.stage is Stage.MONOLITH


def test_a_database_that_is_away_is_said(catalog: Rows) -> None:
    with catalog.service_away():
        assert outcomes(catalog, Gate.TRANSFERABLE) == {FAILED}


def test_what_was_carried_and_verified_opens_the_gates(catalog: Rows) -> None:
    catalog.climb(Stage.REPLICATING)
    assert outcomes(catalog, Gate.REPLICATED) == {PASSED}
    assert outcomes(catalog, Gate.IN_STEP) == {PASSED}
    Transfer.objects.update(reported=timezone.now() - timedelta(seconds=30))
    assert FAILED in outcomes(catalog, Gate.IN_STEP)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_process_whose_clock_is_wrong_judges_alike(
    catalog: Rows, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """How long ago somebody has said something is the control database's to say."""
    catalog.climb(Stage.CANARY)
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(hours=hours))
    assert outcomes(catalog, Gate.IN_STEP) == {PASSED}
    control.advance("catalog", to=Stage.LIVE, actor=ANN, force=True, reason="a test")
    assert losing.risk("catalog").keys is None, "that was about the way there"
    catalog.carry()
    assert losing.risk("catalog").keys == 0
    seen = seeing.see(catalog.capability)
    assert seen.report is not None
    assert seen.report.age < 30
    assert seen.wrong == ()
    assert lagging.in_step("catalog")


def test_a_row_that_differs_shuts_them(catalog: Rows) -> None:
    catalog.climb(Stage.REPLICATING)
    catalog.drop_fence("product")
    catalog.service("UPDATE product SET title = 'Wrong' WHERE sku = 'A-2'")
    found = verifying.verify(catalog.capability)
    assert [(one.table, one.key, one.columns) for one in found.findings] == [
        ("product", ("A-2",), ("title",))
    ]
    verified = judging.verified(catalog.row)
    assert (verified.rows, verified.findings) == (3, 1)
    assert verified.first == "changed product ['A-2']"
    assert FAILED in outcomes(catalog, Gate.IN_STEP)


def test_a_verification_that_broke_off_is_gone_on_with(
    catalog: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        catalog.add(f"B-{number:02}")
    catalog.climb(Stage.REPLICATING)
    monkeypatch.setattr(verify, "CHUNK", 4)
    monkeypatch.setattr(verifying, "EVERY", 0.0)
    catalog.drop_fence("product")
    catalog.service("UPDATE product SET title = 'Wrong' WHERE sku IN ('A-1', 'B-19')")
    Transfer.objects.update(verified={})

    def tired(at: verify.Verified) -> None:
        if at.rows > 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verifying.verify(catalog.capability, progress=tired)
    assert judging.verified(catalog.row) == Verified()
    found = verifying.verify(catalog.capability)
    assert 8 <= found.resumed < found.rows == 23
    assert {one.key for one in found.findings} == {("A-1",), ("B-19",)}
    assert verifying.verify(catalog.capability).resumed == 0


@pytest.mark.parametrize("change", [{"epoch": 2}, {"verified": {}}, {}])
def test_nobody_goes_on_with_what_says_nothing_any_more(
    catalog: Rows, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    catalog.climb(Stage.REPLICATING)
    monkeypatch.setattr(verifying, "EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt):
        verifying.verify(catalog.capability, progress=_at_once)
    assert "so_far" in catalog.row.verified
    with monkeypatch.context() as later:
        if not change:
            later.setattr(verifying, "GOOD_FOR", timedelta(0))
        else:
            Transfer.objects.update(**change)
        assert verifying.verify(catalog.capability).resumed == 0


def _at_once(_at: verify.Verified) -> None:
    raise KeyboardInterrupt


def test_a_verification_under_another_owner_says_nothing(catalog: Rows) -> None:
    catalog.climb(Stage.REPLICATING)
    Transfer.objects.update(epoch=2)
    assert judging.verified(catalog.row) == Verified()
    assert INCONCLUSIVE in outcomes(catalog, Gate.IN_STEP)


def test_writers_past_the_door_count_on_their_own_rung_only(catalog: Rows) -> None:
    Writer.objects.create(
        capability="catalog",
        since_revision=4,
        name="cron",
        door=False,
        keys=3,
        last=timezone.now(),
    )
    assert outcomes(catalog, Gate.THROUGH_DOOR, Since(4, 60.0)) == {FAILED}
    assert outcomes(catalog, Gate.THROUGH_DOOR, Since(5, 60.0)) == {PASSED}
    Writer.objects.update(door=True)
    assert outcomes(catalog, Gate.THROUGH_DOOR, Since(4, 60.0)) == {PASSED}
