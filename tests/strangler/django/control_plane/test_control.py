"""Moves: what the ladder and the gates let through, and what is left behind."""

from __future__ import annotations

import pytest
from django.db import OperationalError, transaction

from strangler import ladder
from strangler.django.control_plane import control, ledger, state
from strangler.django.control_plane.errors import (
    ControlPlaneAway,
    MoveRefused,
    ReasonMissing,
    RevisionConflict,
    TableAhead,
    TableLags,
    UnknownCapability,
    UnknownDifference,
)
from strangler.django.models import CapabilityState, Change, ControlPlane
from strangler.gates import Outcome, Verdict
from strangler.ladder import Arm, Gate, IllegalMove, Share, Stage, Standing
from strangler.routing import publish as publishing
from strangler.routing.publish import PublishFailed
from tests.strangler.django.plane import Plane, service

ANN = "ann@shop"


def climb(kit: Plane, *stages: Stage) -> None:
    for stage in stages:
        kit.ready_for(stage)
        control.advance("pricing", to=stage, actor=ANN)


def snapshot() -> tuple[object, ...]:
    return (
        ControlPlane.objects.get_or_create(pk=1)[0].revision,
        list(CapabilityState.objects.values_list()),
        list(Change.objects.values_list("revision", "capability", "action")),
    )


def test_a_climb_and_the_way_back(kit: Plane) -> None:
    climb(kit, Stage.SHADOW, Stage.CANARY)
    assert state.read("pricing").standing == Standing(Stage.CANARY, 5)
    assert kit.table.entry("pricing").share == Share(50, 50)

    kit.ready_for(Stage.LIVE)
    moved = control.advance("pricing", actor=ANN)
    assert moved.after == Standing(Stage.CANARY, 25)
    assert moved.revision == kit.table.revision() == 3

    kit.ready_for(Stage.LIVE)
    control.advance("pricing", to=Stage.LIVE, actor=ANN)
    assert kit.table.entry("pricing").share == Share(1000, 1000)

    back = control.rollback("pricing", actor=ANN, reason="lunch")
    assert back.after == Standing(Stage.SHADOW)
    control.rollback("pricing", actor=ANN)
    assert kit.table.entry("pricing").share == Share(0, 0)
    assert [change.action for change in control.history()] == ["rollback"] * 2 + ["advance"] * 4


def test_a_move_is_refused_with_every_verdict(kit: Plane) -> None:
    climb(kit, Stage.SHADOW)
    kit.compared(12)
    kit.differs(3)
    before = snapshot()
    with pytest.raises(MoveRefused) as refused:
        control.advance("pricing", actor=ANN)
    messages = {verdict.message for verdict in refused.value.verdicts}
    assert (
        "POST /api/pricing/quote: $.tax differs (value, status 200 and 200) in 3 of 12 "
        'comparisons (at most 0): monolith "3.80", service "3.20"'
    ) in messages
    assert any(message.startswith("12 of 20 comparisons: about ") for message in messages)
    assert not refused.value.inconclusive
    assert snapshot() == before
    assert kit.table.revision() == 1


def test_too_little_evidence_is_inconclusive(kit: Plane) -> None:
    climb(kit, Stage.SHADOW)
    kit.compared(12)
    with pytest.raises(MoveRefused) as refused:
        control.advance("pricing", actor=ANN)
    assert refused.value.inconclusive
    assert refused.value.forceable


def test_evidence_of_an_earlier_rung_never_counts(kit: Plane) -> None:
    climb(kit, Stage.SHADOW, Stage.CANARY)
    kit.ready_for(Stage.LIVE)
    control.advance("pricing", percent=25, actor=ANN)
    with pytest.raises(MoveRefused) as refused:
        control.advance("pricing", percent=50, actor=ANN)
    assert refused.value.inconclusive
    assert any("0 of 20 requests" in verdict.message for verdict in refused.value.verdicts)


def test_force_overrides_evidence_and_is_recorded_with_what_was_missing(kit: Plane) -> None:
    climb(kit, Stage.SHADOW)
    kit.differs()
    with pytest.raises(ReasonMissing):
        control.advance("pricing", actor=ANN, force=True)
    moved = control.advance("pricing", actor=ANN, force=True, reason="the tax law changed")
    assert moved.forced
    change = Change.objects.latest("revision")
    assert (change.forced, change.reason, change.actor) == (True, "the tax law changed", ANN)
    assert {one["outcome"] for one in change.evidence} == {"passed", "failed", "inconclusive"}
    assert change.before == {
        "stage": "shadow",
        "percent": 0,
        "held": False,
        "killed": False,
        "closed": False,
    }
    assert change.after["percent"] == 5


def test_force_that_was_not_needed_is_not_recorded_as_one(kit: Plane) -> None:
    moved = control.advance("pricing", actor=ANN, force=True, reason="in a hurry")
    assert not moved.forced
    assert not Change.objects.latest("revision").forced


def test_force_does_not_override_the_ladder(kit: Plane) -> None:
    with pytest.raises(IllegalMove, match="the next rung is shadow, not live"):
        control.advance("pricing", to=Stage.LIVE, actor=ANN, force=True, reason="now")


def test_tables_can_t_leave_without_a_map_even_by_force(kit: Plane) -> None:
    with pytest.raises(MoveRefused, match="transfer is missing: it says how") as refused:
        control.advance("catalog", actor=ANN, force=True, reason="now")
    (verdict,) = refused.value.verdicts
    assert (verdict.gate, verdict.outcome) == (Gate.TRANSFERABLE, Outcome.FAILED)
    assert not refused.value.forceable


def test_whoever_forces_hears_of_what_force_does_not_open_alone() -> None:
    move = ladder.advance(Standing(Stage.CANARY, 50), tables=True, steps=(50,), to=Stage.LIVE)
    figures = {"value": 0.0, "threshold": 0.0, "samples": 0}
    said = [
        Verdict(gate=gate, outcome=outcome, message=message, **figures)
        for gate, outcome, message in (
            (Gate.IN_STEP, Outcome.INCONCLUSIVE, "not verified yet"),
            (Gate.HEALTHY, Outcome.FAILED, "it fails"),
        )
    ]
    for force, inconclusive in ((False, False), (True, True)):
        with pytest.raises(MoveRefused) as refused:
            control._require("catalog", move, said, force=force)
        assert refused.value.inconclusive is inconclusive, "so it helps to wait, or it does not"
        assert ("it fails" in str(refused.value)) is not force
        assert not refused.value.forceable
    control._require("catalog", move, said[1:], force=True)


def test_retired_has_to_be_asked_for_by_name(kit: Plane) -> None:
    climb(kit, Stage.SHADOW, Stage.CANARY, Stage.LIVE)
    with pytest.raises(IllegalMove, match="no way back: say --to retired"):
        control.advance("pricing", actor=ANN)
    with pytest.raises(MoveRefused) as refused:
        control.advance("pricing", to=Stage.RETIRED, actor=ANN)
    assert any(one.message.startswith("live for ") for one in refused.value.verdicts)
    control.advance("pricing", to=Stage.RETIRED, actor=ANN, force=True, reason="a test")
    assert not kit.table.entry("pricing").fallback
    with pytest.raises(IllegalMove, match="no way back"):
        control.rollback("pricing", actor=ANN)


def test_a_service_that_is_not_ready_keeps_the_gate_shut(kit: Plane) -> None:
    with service(status=503, body={"missing": {"database": "no such file"}}) as (url, asked):
        kit.service = url
        kit.write()
        with pytest.raises(MoveRefused, match="is not ready: database: no such file"):
            control.advance("pricing", actor=ANN)
        assert asked == ["/readyz"]
    with pytest.raises(MoveRefused, match="can't be reached"):
        control.advance("pricing", actor=ANN)


def test_a_service_that_speaks_another_contract_keeps_the_gate_shut(kit: Plane) -> None:
    with service(body={"contracts": {"pricing": "f00"}}) as (url, _):
        kit.service = url
        kit.write()
        with pytest.raises(MoveRefused, match="speaks contract f00, we speak "):
            control.advance("pricing", actor=ANN)


def test_a_service_that_does_not_say_its_contract_keeps_the_gate_shut(kit: Plane) -> None:
    with service() as (url, _):
        kit.service = url
        kit.write()
        with pytest.raises(MoveRefused, match="does not say which contract it speaks") as refused:
            control.advance("pricing", actor=ANN)
        assert refused.value.forceable


def test_overlays(kit: Plane) -> None:
    climb(kit, Stage.SHADOW, Stage.CANARY, Stage.LIVE)
    control.kill("pricing", actor=ANN, reason="smoke")
    assert kit.table.entry("pricing").share == Share(0, 0)
    assert state.read("pricing").standing.owner is Arm.SERVICE
    control.hold("pricing", actor=ANN)
    assert kit.table.entry("pricing").held
    before = state.read("pricing").since_revision
    moved = control.resume("pricing", actor=ANN)
    assert moved.after == Standing(Stage.LIVE)
    assert state.read("pricing").since_revision == moved.revision > before


def test_only_what_edges_look_at_can_be_closed(kit: Plane) -> None:
    with pytest.raises(IllegalMove, match="no edge looks whether pricing is closed"):
        control.close("pricing", actor=ANN)
    kit.write(more='[capability.pricing.gateway]\nmaintenance = "1m"\n')
    before = state.read("pricing").since_revision
    moved = control.close("pricing", actor=ANN, reason="a new disk")
    assert moved.after == Standing(closed=True)
    assert kit.table.entry("pricing").closed
    assert not kit.table.entry("catalog").closed
    assert (kit.table.root / "current" / "pricing.closed").exists()
    assert control.resume("pricing", actor=ANN).after == Standing()
    assert not (kit.table.root / "current" / "pricing.closed").exists()
    assert state.read("pricing").since_revision == before
    assert [one.action for one in control.history("pricing")][:2] == ["resume", "close"]


def test_holding_keeps_the_evidence(kit: Plane) -> None:
    climb(kit, Stage.SHADOW)
    before = state.read("pricing")
    control.hold("pricing", actor=ANN)
    control.resume("pricing", actor=ANN)
    after = state.read("pricing")
    assert (after.since, after.since_revision) == (before.since, before.since_revision)


def test_an_overlay_that_is_there_changes_nothing(kit: Plane) -> None:
    control.hold("pricing", actor=ANN)
    before = snapshot()
    moved = control.hold("pricing", actor=ANN)
    assert moved.before == moved.after
    assert snapshot() == before


def test_renew_begins_the_evidence_anew(kit: Plane) -> None:
    climb(kit, Stage.SHADOW)
    kit.differs()
    with pytest.raises(ReasonMissing):
        control.renew("pricing", actor=ANN, reason=" ")
    control.renew("pricing", actor=ANN, reason="the service is repaired")
    kit.compared(50)
    assert control.advance("pricing", actor=ANN).after.stage is Stage.CANARY


def test_an_explained_difference_stays_explained_on_later_rungs(kit: Plane) -> None:
    climb(kit, Stage.SHADOW)
    kit.compared(50)
    signature = kit.differs()
    with pytest.raises(UnknownDifference, match="no difference begins with 'beef'"):
        control.explain("pricing", "beef", actor=ANN, reason="x")
    control.explain("pricing", signature[:6], actor=ANN, reason="rounds as the law says")
    control.renew("pricing", actor=ANN, reason="again")
    kit.compared(50)
    kit.differs()
    assert control.advance("pricing", actor=ANN).after.stage is Stage.CANARY


def test_if_revision_compares_and_sets(kit: Plane) -> None:
    control.advance("pricing", actor=ANN, if_revision=0)
    with pytest.raises(RevisionConflict) as conflict:
        control.rollback("pricing", actor="bob@shop", if_revision=0)
    assert (conflict.value.expected, conflict.value.found) == (0, 1)
    assert "advance pricing by ann@shop at " in str(conflict.value)
    assert state.read("pricing").standing.stage is Stage.SHADOW


def test_whoever_moved_meanwhile_wins(kit: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    climb(kit, Stage.SHADOW)
    seen = state.read_all()
    control.rollback("pricing", actor="bob@shop")
    monkeypatch.setattr(control, "_seen", lambda: seen)
    with pytest.raises(RevisionConflict, match="rollback pricing by bob@shop"):
        control.rollback("pricing", actor=ANN)


def test_capabilities_of_a_group_flip_together(kit: Plane) -> None:
    more = """
group = "checkout"

[capability.ordering]
context  = "monolith.pricing"
owner    = "team-checkout"
contract = "contracts.ordering:Ordering"
service  = ["http://127.0.0.1:9"]
routes   = ["/api/ordering/"]
group    = "checkout"
"""
    kit.write(more=more.replace("http://127.0.0.1:9", kit.service))
    moved = control.advance("ordering", actor=ANN)
    assert moved.together == ("pricing", "ordering")
    assert {change.revision for change in control.history()} == {1}
    assert state.read("pricing").standing == state.read("ordering").standing
    CapabilityState.objects.filter(name="pricing").update(stage="monolith")
    with pytest.raises(IllegalMove, match="they flip together only from the same rung"):
        control.advance("ordering", actor=ANN)


def test_an_unknown_capability_is_named_with_its_nearest(kit: Plane) -> None:
    with pytest.raises(UnknownCapability, match="did you mean pricing"):
        control.advance("pricin", actor=ANN)


def test_a_move_inside_a_transaction_is_refused(kit: Plane) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        control.advance("pricing", actor=ANN)


class TestFaults:
    def test_the_database_is_away_before_the_move(
        self, kit: Plane, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: object, **__: object) -> None:
            raise OperationalError("connection refused")

        monkeypatch.setattr(state, "read_all", away)
        with pytest.raises(
            ControlPlaneAway, match=r"'default' \(.+\) can't be used: conn.+ refused"
        ):
            control.advance("pricing", actor=ANN)
        assert not (kit.root / "table" / "current").exists()

    @pytest.mark.parametrize("step", ["write", "_prepare"])
    def test_the_database_goes_away_during_the_move(
        self, kit: Plane, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        control.hold("pricing", actor=ANN)
        before = snapshot()

        def away(*_: object, **__: object) -> None:
            raise OperationalError("server closed the connection unexpectedly")

        monkeypatch.setattr(ledger.Ledger if step == "write" else ledger, step, away)
        with pytest.raises(ControlPlaneAway):
            control.advance("pricing", actor=ANN)
        assert snapshot() == before
        assert kit.table.revision() == 1

    def test_the_database_goes_away_during_the_commit(
        self, kit: Plane, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        control.hold("pricing", actor=ANN)
        before = snapshot()
        leave = transaction.Atomic.__exit__

        def away(self: transaction.Atomic, *error: object) -> None:
            if not self.durable or error[0] is not None:
                return leave(self, *error)
            leave(self, OperationalError, OperationalError("gone"), None)
            raise OperationalError("gone")

        monkeypatch.setattr(transaction.Atomic, "__exit__", away)
        with pytest.raises(ControlPlaneAway, match="went away during the commit: see 'strangler"):
            control.advance("pricing", actor=ANN)
        monkeypatch.undo()
        assert snapshot() == before
        assert kit.table.revision() == 1
        assert [one.name for one in (kit.root / "table" / "revisions").iterdir()] == ["1"]

    def test_a_table_that_can_t_be_written_refuses_the_move(self, kit: Plane) -> None:
        (kit.root / "table").write_text("not a folder")
        before = snapshot()
        with pytest.raises(PublishFailed, match="table"):
            control.advance("pricing", actor=ANN)
        assert snapshot() == before

    def test_a_full_disk_refuses_the_move(
        self, kit: Plane, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        control.hold("pricing", actor=ANN)
        before = snapshot()

        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device", str(kit.root / "table"))

        monkeypatch.setattr(publishing, "_sync", full)
        with pytest.raises(PublishFailed, match="no space left on device"):
            control.advance("pricing", actor=ANN)
        assert snapshot() == before
        assert kit.table.revision() == 1

    def test_a_table_that_can_t_be_pointed_lags_and_is_published_later(
        self, kit: Plane, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        control.hold("pricing", actor=ANN)

        def broken(_: object) -> int:
            raise PublishFailed(kit.root, "read-only file system", "mount it for writing")

        monkeypatch.setattr(ledger, "point", broken)
        with pytest.raises(TableLags, match="Then: strangler publish") as lags:
            control.advance("pricing", actor=ANN)
        assert lags.value.revision == 2
        assert kit.table.revision() == 1
        monkeypatch.undo()
        assert control.publish(actor=ANN) == 2
        assert kit.table.entry("pricing").stage is Stage.SHADOW

    def test_a_damaged_table_is_written_again(self, kit: Plane) -> None:
        control.advance("pricing", actor=ANN)
        damaged = kit.root / "table" / "revisions" / "1" / "revision"
        damaged.write_text("{")
        assert control.publish(actor=ANN) == 1
        assert kit.table.entry("pricing").stage is Stage.SHADOW

    def test_a_table_that_is_ahead_is_not_overrun(self, kit: Plane) -> None:
        control.advance("pricing", actor=ANN)
        entries = kit.table.entries()
        publishing.publish(kit.root / "table", 7, entries)
        with pytest.raises(TableAhead, match="at revision 7, the database at 1"):
            control.rollback("pricing", actor=ANN)
        assert control.kill("pricing", actor=ANN).revision == 8
        assert kit.table.revision() == 8
        publishing.publish(kit.root / "table", 12, entries)
        assert control.publish(actor=ANN, reason="the database was put back") == 13
        assert control.rollback("pricing", actor=ANN).revision == 14


def test_publishing_before_any_move(kit: Plane) -> None:
    assert control.publish(actor=ANN) == 1
    assert kit.table.entry("pricing").stage is Stage.MONOLITH
