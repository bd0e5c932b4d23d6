from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.ladder import COHORTS, Arm, Stage, Standing, kill, share
from strangler.routing.decide import Call, Decision, Kind, Reason, decide
from strangler.routing.table import Entry, Snapshot, TableUnusable


def snapshot(standing: Standing, *, tables: bool, group: str | None = None) -> Snapshot:
    entry = Entry(
        standing.stage,
        standing.percent,
        standing.held,
        standing.killed,
        share(standing, tables=tables),
        fallback=standing.stage is not Stage.RETIRED,
    )
    return Snapshot({"catalog": entry}, groups={"catalog": group} if group else None)


def inside(table: Snapshot, kind: Kind) -> set[int]:
    """The cohorts that the service answers."""
    return {
        cohort
        for cohort in range(COHORTS)
        if decide(Call("catalog", kind, cohort), table).arm is Arm.SERVICE
    }


@given(st.integers(1, 100), st.integers(1, 100), st.booleans())
def test_raising_the_percentage_keeps_everybody_who_was_in(one: int, other: int, tables: bool):  # noqa: FBT001  # drawn
    small, large = (
        snapshot(Standing(Stage.CANARY, percent), tables=tables) for percent in sorted([one, other])
    )
    for kind in Kind:
        assert inside(small, kind) <= inside(large, kind)
    assert len(inside(small, Kind.QUERY)) == min(one, other) * 10
    assert len(inside(small, Kind.COMMAND)) == (0 if tables else min(one, other) * 10)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.CANARY])
def test_off_the_canary_everybody_sees_one_arm(stage: Stage, kind: Kind):
    everybody = inside(snapshot(Standing(stage), tables=True), kind)
    assert len(everybody) == (COHORTS if stage in {Stage.LIVE, Stage.RETIRED} else 0)


def test_killed_at_live_queries_go_to_the_monolith_and_commands_to_the_owner():
    table = snapshot(kill(Standing(Stage.LIVE)), tables=True)
    assert inside(table, Kind.QUERY) == set()
    assert inside(table, Kind.COMMAND) == set(range(COHORTS))


def test_a_forced_arm_counts_for_queries_and_never_for_commands():
    for stage in (Stage.MONOLITH, Stage.LIVE):
        table = snapshot(Standing(stage), tables=True)
        for arm in Arm:
            assert decide(Call("catalog", Kind.QUERY, 1, arm), table) == Decision(
                arm, Reason.FORCED
            )
            assert decide(Call("catalog", Kind.COMMAND, 1, arm), table) == decide(
                Call("catalog", Kind.COMMAND, 1), table
            )


def test_a_decision_says_why():
    table = snapshot(Standing(Stage.LIVE), tables=True)
    assert decide(Call("catalog", Kind.QUERY, 1), table) == Decision(Arm.SERVICE, Reason.INSIDE)
    table = snapshot(Standing(Stage.SHADOW), tables=True)
    assert decide(Call("catalog", Kind.QUERY, 1), table) == Decision(Arm.MONOLITH, Reason.OUTSIDE)


def test_a_capability_that_the_table_does_not_know_is_nobody_s_guess():
    with pytest.raises(TableUnusable, match="it knows no capability pricing"):
        decide(Call("pricing", Kind.QUERY, 1), snapshot(Standing(), tables=True))


def test_a_group_shares_its_clients():
    alone = snapshot(Standing(Stage.CANARY, 10), tables=True)
    grouped = snapshot(Standing(Stage.CANARY, 10), tables=True, group="shelf")
    same = Snapshot({"shelf": grouped.entry("catalog")})
    cohorts = {cohort for cohort in range(COHORTS) if same.holds("shelf", Kind.QUERY, cohort)}
    assert inside(grouped, Kind.QUERY) == cohorts != inside(alone, Kind.QUERY)


def test_contracts_may_load_it_without_loading_more_than_the_ladder():
    code = "import strangler.routing.decide, sys; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    ours = {name for name in loaded.stdout.split() if name.startswith("strangler")}
    assert ours == {
        "strangler",
        "strangler.ladder",
        "strangler.routing",
        "strangler.routing.decide",
    }
