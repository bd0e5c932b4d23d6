"""Moves of the ladder that move rows, between two SQLite files."""

from __future__ import annotations

import re
import sqlite3

import pytest

from strangler.django import conf
from strangler.django.control_plane import control, state
from strangler.django.control_plane.errors import ReasonMissing, RowsStay
from strangler.django.models import Change
from strangler.django.transfer import forecasting, losing, moving, seeing, verifying
from strangler.ladder import Arm, Stage
from tests.strangler.django.transfer.rows import ANN, Rows

CHANGED = "UPDATE catalog_product SET name = 'Shovel' WHERE sku = 'A-1'"


def test_there_and_back_and_off_the_ladder(catalog: Rows) -> None:
    catalog.climb(Stage.LIVE)
    assert catalog.row.epoch == 2
    catalog.service("UPDATE product SET title = 'Shovel' WHERE sku = 'A-1'")
    with pytest.raises(sqlite3.IntegrityError):
        catalog.monolith(CHANGED)
    control.rollback("catalog", actor=ANN)
    assert (catalog.stage, catalog.row.epoch) == (Stage.SHADOW, 3)
    assert catalog.monolith("SELECT name FROM catalog_product ORDER BY sku")[0] == ("Shovel",)
    control.rollback("catalog", actor=ANN)
    assert catalog.stage is Stage.MONOLITH
    catalog.add("A-3")
    freezes = catalog.row.switches
    assert [one["epoch"] for one in freezes] == [2, 3]
    assert seeing.freeze("catalog") == freezes[-1]["freeze"] > 0


def test_a_dry_run_changes_nothing_and_knows_the_last_freeze(catalog: Rows) -> None:
    catalog.climb(Stage.CANARY)
    revisions = conf.settings().table / "revisions"
    before = state.revision(), sorted(revisions.iterdir())
    found = forecasting.forecast(catalog.capability)
    assert (state.revision(), sorted(revisions.iterdir())) == before
    assert found.fits
    assert [str(one.action) for one in found.steps if not one.measured] == ["publish"]
    assert all(bool(one.seconds) == one.measured for one in found.steps)
    catalog.monolith(CHANGED)
    assert catalog.row.epoch == 1
    assert seeing.see(catalog.capability).wrong == ()
    control.advance("catalog", to=Stage.LIVE, actor=ANN, force=True, reason="a test")
    found = forecasting.forecast(catalog.capability)
    assert all(one.seconds is not None for one in found.steps)


def test_off_the_ladder_needs_no_service(catalog: Rows) -> None:
    catalog.climb(Stage.SHADOW)
    with catalog.service_away():
        control.rollback("catalog", actor=ANN)
    assert catalog.stage is Stage.MONOLITH
    catalog.climb(Stage.REPLICATING)
    assert not verifying.verify(catalog.capability).findings


def test_a_rollback_without_the_services_database_is_refused_and_counts(catalog: Rows) -> None:
    catalog.climb(Stage.LIVE)
    catalog.service("UPDATE product SET title = 'Shovel'")
    row = catalog.row
    row.report["pending"] = 2
    row.save()
    with catalog.service_away(), pytest.raises(RowsStay) as stays:
        control.rollback("catalog", actor=ANN)
    said = str(stays.value)
    assert "its keys are at risk: 2 keys had not come back when the mover last said so, " in said
    assert "strangler rollback catalog --accept-loss" in said
    assert catalog.stage is Stage.LIVE
    assert catalog.row.holder == ""


def test_a_report_about_the_way_there_counts_nothing(catalog: Rows) -> None:
    catalog.climb(Stage.CANARY)
    control.advance("catalog", to=Stage.LIVE, actor=ANN, force=True, reason="a test")
    assert losing.risk("catalog").keys is None
    assert "nobody knows how many" in losing.advice("catalog")


@pytest.mark.parametrize("to", [None, Stage.MONOLITH])
def test_what_is_lost_is_recorded_and_the_service_is_fenced_when_it_is_back(
    catalog: Rows, to: Stage | None, caplog: pytest.LogCaptureFixture
) -> None:
    catalog.climb(Stage.LIVE)
    catalog.service("UPDATE product SET title = 'Lost' WHERE sku = 'A-1'")
    with catalog.service_away():
        with pytest.raises(ReasonMissing):
            control.rollback("catalog", actor=ANN, accept_loss=True)
        moved = control.rollback("catalog", to=to, actor=ANN, accept_loss=True, reason="gone")
        assert moved.forced
        catalog.monolith(CHANGED)
    change = Change.objects.latest("revision")
    assert (change.forced, change.reason) == (True, "gone")
    assert "had not come back" in change.evidence[-1]["message"]
    assert catalog.row.epoch == 3
    assert not catalog.row.backfilled
    # Nobody has told the service yet; the mover's first act does.
    catalog.service("UPDATE product SET title = 'Lost, too' WHERE sku = 'A-2'")
    if to is Stage.MONOLITH:
        catalog.climb(Stage.REPLICATING)
    else:
        catalog.carry()
    # Two, and the canary row, if that had not arrived yet.
    assert re.search(r"service was given up; it wrote up to [23] keys", caplog.text)
    with pytest.raises(sqlite3.IntegrityError):
        catalog.service("UPDATE product SET title = 'Late'")
    assert catalog.service("SELECT title FROM product ORDER BY sku") == [("Shovel",), ("Spade",)]
    assert not verifying.verify(catalog.capability).findings


def test_nothing_is_lost_where_nothing_has_to_be(catalog: Rows) -> None:
    catalog.climb(Stage.LIVE)
    catalog.service("UPDATE product SET title = 'Shovel' WHERE sku = 'A-1'")
    moved = control.rollback("catalog", actor=ANN, accept_loss=True, reason="to be sure")
    assert not moved.forced
    assert catalog.monolith("SELECT name FROM catalog_product ORDER BY sku")[0] == ("Shovel",)


def test_clients_see_no_service_that_lacks_rows(catalog: Rows) -> None:
    catalog.climb(Stage.LIVE)
    with catalog.service_away(), pytest.raises(RowsStay, match="has to be filled anew"):
        control.rollback(
            "catalog", to=Stage.CANARY, percent=5, actor=ANN, accept_loss=True, reason="gone"
        )
    assert catalog.stage is Stage.LIVE


def test_giving_up_that_broke_off_is_made_up_for(
    catalog: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.climb(Stage.LIVE)

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with catalog.service_away():
        monkeypatch.setattr(losing, "_open", killed)
        with pytest.raises(Killed):
            control.rollback("catalog", actor=ANN, accept_loss=True, reason="gone")
        with pytest.raises(sqlite3.IntegrityError):
            catalog.monolith(CHANGED)
        with pytest.raises(RowsStay):
            moving.mend(catalog.capability)
        assert [str(action) for action in losing.mend(catalog.capability)] == ["open"]
        assert losing.mend(catalog.capability) == ()
        catalog.monolith(CHANGED)
    assert catalog.kit.table.entry("catalog").stage is Stage.SHADOW


def test_the_rows_of_the_service_are_not_given_up_by_a_repair(catalog: Rows) -> None:
    catalog.climb(Stage.LIVE)
    with catalog.service_away(), pytest.raises(RowsStay, match="the service owns"):
        losing.mend(catalog.capability)


def test_what_there_is_to_see(catalog: Rows) -> None:
    before = seeing.see(catalog.capability)
    assert (before.owner, before.epoch, before.flows) == (Arm.MONOLITH, 1, False)
    assert before.report is before.verified is before.holder is None
    assert before.wrong == ()
    catalog.climb(Stage.LIVE)
    seen = seeing.see(catalog.capability)
    assert (seen.owner, seen.epoch, seen.flows, seen.backfilled) == (Arm.SERVICE, 2, True, True)
    assert seen.report is not None
    assert (seen.report.parked, seen.report.missing) == (0, ())
    assert seen.verified is not None
    assert (seen.verified.rows, seen.verified.current) == (3, True)
    (switched,) = seen.switches
    assert switched.freeze == pytest.approx(sum(seconds for _, seconds in switched.steps))
    control.rollback("catalog", actor=ANN)
    seen = seeing.see(catalog.capability)
    assert seen.verified is not None
    assert not seen.verified.current
    assert [one.epoch for one in seen.switches] == [3, 2]
