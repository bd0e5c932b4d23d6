"""Where calls go by the routing table, and what counts without one."""

from __future__ import annotations

import logging
import shutil

import pytest
from django.db import OperationalError

from strangler.django.control_plane import control, state
from strangler.django.ports import placing
from strangler.ladder import Arm, Stage
from strangler.routing.decide import Call, Kind, Reason
from tests.strangler.django.plane import Plane

QUERY = Call("pricing", Kind.QUERY, 7)
COMMAND = Call("pricing", Kind.COMMAND, 7)


@pytest.fixture(autouse=True)
def _new_owners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "_owners", placing._Owners())


def live(kit: Plane) -> None:
    for stage in (Stage.SHADOW, Stage.CANARY, Stage.LIVE):
        control.advance("pricing", to=stage, actor="ann", force=True, reason="a test")


def test_the_table_says(kit: Plane) -> None:
    live(kit)
    decision = placing.place(QUERY)
    assert (decision.arm, decision.reason) == (Arm.SERVICE, Reason.INSIDE)
    assert placing.place(QUERY._replace(forced=Arm.MONOLITH)).reason is Reason.FORCED


@pytest.mark.parametrize("damage", ["missing", "corrupt", "unreadable"])
def test_without_a_table_calls_go_to_the_owner_and_it_is_said_once(
    kit: Plane, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    live(kit)
    table = kit.root / "table"
    if damage == "missing":
        shutil.rmtree(table)
    elif damage == "corrupt":
        (table / "current" / "revision").write_text("{")
    else:
        (table / "current").unlink()
        (table / "current").write_text("no link")
    with caplog.at_level(logging.ERROR, logger="strangler.routing"):
        for _ in range(5):
            for call in (QUERY, COMMAND):
                decision = placing.place(call)
                assert (decision.arm, decision.reason) == (Arm.SERVICE, Reason.OWNER)
    assert len(caplog.records) == 1
    assert str(table) in caplog.text
    assert placing.fallback("pricing", Kind.QUERY)


def test_a_killed_capability_stays_killed_without_a_table(kit: Plane) -> None:
    live(kit)
    control.kill("pricing", actor="ann")
    shutil.rmtree(kit.root / "table")
    assert placing.place(QUERY).arm is Arm.MONOLITH


def test_a_canary_without_a_table_is_all_the_monolith_s(kit: Plane) -> None:
    live(kit)
    control.rollback("pricing", to=Stage.CANARY, percent=50, actor="ann")
    shutil.rmtree(kit.root / "table")
    arms = {placing.place(QUERY._replace(cohort=cohort)).arm for cohort in range(1000)}
    assert arms == {Arm.MONOLITH}


def test_without_table_and_database_the_last_known_owner_counts(
    kit: Plane, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    live(kit)
    shutil.rmtree(kit.root / "table")
    assert placing.place(QUERY).arm is Arm.SERVICE

    def away() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(state, "read_all", away)
    monkeypatch.setattr(placing._owners, "_until", 0.0)
    assert placing.place(QUERY).arm is Arm.SERVICE
    assert "nor can the database say who owns what: connection refused" in caplog.text


def test_before_the_first_move_no_table_is_missed(
    kit: Plane, caplog: pytest.LogCaptureFixture
) -> None:
    assert placing.place(QUERY).arm is Arm.MONOLITH
    assert not caplog.records


def test_fallback_is_by_kind_and_ends_with_retired(kit: Plane) -> None:
    live(kit)
    assert placing.fallback("pricing", Kind.QUERY)
    assert placing.fallback("pricing", Kind.COMMAND), "it has no tables: either arm may take it"
    assert placing.fallback("catalog", Kind.QUERY)
    assert not placing.fallback("catalog", Kind.COMMAND)
    control.advance("pricing", to=Stage.RETIRED, actor="ann", force=True, reason="a test")
    assert not placing.fallback("pricing", Kind.QUERY)
    shutil.rmtree(kit.root / "table")
    assert not placing.fallback("pricing", Kind.QUERY)
