"""The ladder, walked whole: every state that can be reached, and every move from each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from itertools import product
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from strangler.ladder import (
    COHORTS,
    HOME,
    TRANSITIONS,
    Arm,
    Direction,
    Gate,
    IllegalMove,
    Move,
    Share,
    Stage,
    Standing,
    advance,
    close,
    hold,
    kill,
    resume,
    rollback,
    share,
    targets,
)

Tables = bool  # whether a capability has tables: a fixture is no flag in a call

STEPS = (1, 5, 25, 50)
PERCENTS = (None, *range(102))
# Whatever it is, no rung but a canary takes any.
NONE_OF_THEIRS = (None, 0, 1, 25, 100, 101)
ARROWS = {(arrow.source, arrow.target, arrow.direction): arrow for arrow in TRANSITIONS}


def moves(standing: Standing, *, tables: bool) -> list[Move]:
    """Every legal move from here, whatever one may ask for."""
    found = []
    asked = [
        *product((None, Stage.CANARY), PERCENTS),
        *product((rung for rung in Stage if rung is not Stage.CANARY), NONE_OF_THEIRS),
    ]
    for to, percent in asked:
        with suppress(IllegalMove):
            found.append(advance(standing, tables=tables, steps=STEPS, to=to, percent=percent))
        with suppress(IllegalMove):
            found.append(rollback(standing, tables=tables, to=to, percent=percent))
    return found


@cache
def reachable(*, tables: bool) -> dict[Standing, list[Move]]:
    """All states that some sequence of commands leads to, and the moves from each."""
    seen: dict[Standing, list[Move]] = {}
    queue = deque([Standing()])
    while queue:
        standing = queue.popleft()
        if standing in seen:
            continue
        seen[standing] = moves(standing, tables=tables)
        queue.extend({move.after for move in seen[standing]})
        queue.extend([hold(standing), close(standing), resume(standing)])
        if standing.stage is not Stage.RETIRED:
            queue.append(kill(standing))
    return seen


@pytest.fixture(params=[True, False], ids=["tables", "no tables"])
def tables(request: pytest.FixtureRequest) -> Tables:
    return bool(request.param)


def test_everything_that_may_be_reached_is_reached(tables: Tables):
    shapes = {(one.stage, one.percent) for one in reachable(tables=tables)}
    expected = {(stage, 0) for stage in Stage if stage is not Stage.CANARY}
    expected |= {(Stage.CANARY, percent) for percent in range(1, 101)}
    if not tables:
        expected.remove((Stage.REPLICATING, 0))
    assert shapes == expected
    # All overlays, in every combination, on every rung; only what is retired can't be killed.
    assert len(reachable(tables=tables)) == len(expected) * 8 - 4


def test_every_move_is_an_arrow_of_the_table_with_its_gates(tables: Tables):
    for standing, found in reachable(tables=tables).items():
        for move in found:
            arrow = ARROWS[standing.stage, move.after.stage, move.direction]
            assert arrow.tables in {None, tables}
            assert move.gates == arrow.gates
            assert move.before == standing


def test_every_arrow_is_taken_by_some_move(tables: Tables):
    taken = {
        (move.before.stage, move.after.stage, move.direction)
        for found in reachable(tables=tables).values()
        for move in found
    }
    assert taken == {key for key, arrow in ARROWS.items() if arrow.tables in {None, tables}}


def test_up_is_gated_and_down_is_open():
    for arrow in TRANSITIONS:
        assert bool(arrow.gates) == (arrow.direction is Direction.UP)
        if arrow.source is arrow.target:
            assert arrow.source is Stage.CANARY
        else:
            up = arrow.target.height > arrow.source.height
            assert up == (arrow.direction is Direction.UP)
    assert {gate for arrow in TRANSITIONS for gate in arrow.gates} == set(Gate)


def test_every_gate_is_passed_on_every_way_up(tables: Tables):
    """No shortcut: a gate that belongs to the climb is not avoided by another order of moves."""
    needed = set(Gate) if tables else set(Gate) - {Gate.TRANSFERABLE, Gate.REPLICATED}
    ways: list[tuple[Stage, frozenset[Gate]]] = [(Stage.MONOLITH, frozenset())]
    ends = []
    while ways:
        stage, passed = ways.pop()
        if stage is Stage.RETIRED:
            ends.append(passed)
        ways.extend(
            (arrow.target, passed | set(arrow.gates))
            for arrow in TRANSITIONS
            if arrow.source is stage
            and arrow.target is not stage
            and arrow.direction is Direction.UP
            and arrow.tables in {None, tables}
        )
    assert ends
    assert all(passed == needed for passed in ends)


def test_up_never_shrinks_and_down_never_grows_the_service_s_share(tables: Tables):
    for standing, found in reachable(tables=tables).items():
        if standing.killed:
            continue
        before = share(standing, tables=tables)
        for move in found:
            after = share(move.after, tables=tables)
            small, large = (before, after) if move.direction is Direction.UP else (after, before)
            assert small.queries <= large.queries
            assert small.commands <= large.commands


def test_commands_of_a_capability_with_tables_go_to_the_owner_alone():
    for standing in reachable(tables=True):
        commands = share(standing, tables=True).commands
        assert commands == (COHORTS if standing.owner is Arm.SERVICE else 0)


def test_a_canary_without_tables_splits_commands_too():
    for percent in range(1, 101):
        split = share(Standing(Stage.CANARY, percent), tables=False)
        assert split == Share(queries=percent * 10, commands=percent * 10)


def test_the_owner_is_the_service_from_live_on(tables: Tables):
    for standing in reachable(tables=tables):
        assert (standing.owner is Arm.SERVICE) == (standing.stage.height >= Stage.LIVE.height)


def test_retired_has_no_way_out(tables: Tables):
    for standing, found in reachable(tables=tables).items():
        if standing.stage is Stage.RETIRED:
            assert found == []
            assert share(standing, tables=tables) == Share(COHORTS, COHORTS)
            with pytest.raises(IllegalMove, match="retired"):
                kill(standing)


def test_there_is_a_way_back_from_every_rung_between(tables: Tables):
    for standing in reachable(tables=tables):
        if standing.stage in {Stage.MONOLITH, Stage.RETIRED}:
            with pytest.raises(IllegalMove):
                rollback(standing, tables=tables)
            continue
        move = rollback(standing, tables=tables)
        assert move.after.stage is HOME[standing.stage]
        assert share(move.after, tables=tables) == Share(0, 0)
        assert not move.after.killed
        assert move.after.held == standing.held
        home = rollback(standing, tables=tables, to=Stage.MONOLITH)
        assert home.after == Standing(held=standing.held, closed=standing.closed)


def test_what_is_killed_is_answered_by_the_monolith_and_does_not_climb(tables: Tables):
    for standing, found in reachable(tables=tables).items():
        if not standing.killed:
            continue
        split = share(standing, tables=tables)
        assert split.queries == 0
        assert split.commands == (COHORTS if tables and standing.owner is Arm.SERVICE else 0)
        assert all(move.direction is Direction.DOWN for move in found)
        lifted = resume(standing)
        assert (lifted.stage, lifted.percent) == (standing.stage, standing.percent)
        assert not lifted.killed
        assert not lifted.held


def test_climbing_without_being_told_visits_each_step(tables: Tables):
    standing, way = Standing(), []
    while standing.stage is not Stage.RETIRED:
        standing = advance(standing, tables=tables, steps=STEPS).after
        way.append(str(standing))
    rungs = ["shadow", "canary 1 %", "canary 5 %", "canary 25 %", "canary 50 %", "live", "retired"]
    assert way == (["replicating", *rungs] if tables else rungs)


@pytest.mark.parametrize(
    ("standing", "asked", "message"),
    [
        (Standing(), {"to": Stage.LIVE}, "from monolith the next rung is shadow, not live"),
        (Standing(Stage.SHADOW), {"to": Stage.CANARY, "percent": 101}, "at most 100"),
        (Standing(Stage.CANARY, 25), {"percent": 25}, "25 % now, 25 % asked for"),
        (Standing(Stage.CANARY, 25), {"to": Stage.LIVE, "percent": 5}, "live has no percent"),
        (Standing(Stage.CANARY, 25), {"to": Stage.RETIRED}, "the next rung is canary or live"),
        (Standing(Stage.RETIRED), {}, "retired is the end of the ladder"),
        (Standing(Stage.SHADOW, killed=True), {}, "resume it before it climbs"),
    ],
)
def test_a_refused_advance_says_why(standing: Standing, asked: dict[str, Any], message: str):
    with pytest.raises(IllegalMove) as refused:
        advance(standing, tables=False, steps=STEPS, **asked)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("standing", "asked", "message"),
    [
        (Standing(), {}, "monolith is the lowest rung"),
        (Standing(Stage.RETIRED), {}, "there is no way back"),
        (Standing(Stage.SHADOW), {"to": Stage.LIVE}, "the ways back are monolith, not live"),
        (Standing(Stage.LIVE), {"to": Stage.CANARY}, "--percent N"),
        (Standing(Stage.LIVE), {"to": Stage.SHADOW, "percent": 5}, "shadow has no percent"),
        (Standing(Stage.CANARY, 25), {"percent": 25}, "a share below 25 %"),
        (Standing(Stage.CANARY, 25), {"percent": 0}, "a share below 25 %"),
    ],
)
def test_a_refused_rollback_says_why(standing: Standing, asked: dict[str, Any], message: str):
    with pytest.raises(IllegalMove) as refused:
        rollback(standing, tables=False, **asked)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("stage", "percent"),
    [(Stage.CANARY, 0), (Stage.CANARY, 101), (Stage.CANARY, -1), (Stage.LIVE, 100)],
)
def test_a_standing_that_makes_no_sense_can_not_be_made(stage: Stage, percent: int):
    with pytest.raises(ValueError, match="percent"):
        Standing(stage, percent)


def test_a_standing_reads_well():
    assert str(Standing(Stage.CANARY, 25, held=True, killed=True)) == "canary 25 % (held, killed)"
    assert str(Standing(Stage.LIVE)) == "live"


class Climb(RuleBasedStateMachine):
    """Any commands in any order, with any arguments, never lead off the table."""

    def __init__(self) -> None:
        super().__init__()
        self.standing = Standing()
        self.tables = True

    @precondition(lambda self: self.standing == Standing())
    @rule(tables=st.booleans())
    def choose(self, tables: Tables):
        self.tables = tables

    @rule(
        to=st.none() | st.sampled_from(Stage),
        percent=st.none() | st.integers(-5, 120),
        steps=st.lists(st.integers(1, 100), max_size=6, unique=True).map(sorted).map(tuple),
    )
    def climb(self, to: Stage | None, percent: int | None, steps: tuple[int, ...]):
        before = self.standing
        try:
            move = advance(before, tables=self.tables, steps=steps, to=to, percent=percent)
        except IllegalMove:
            return
        assert not before.killed
        assert before.stage.height <= move.after.stage.height
        self.take(move)

    @rule(to=st.none() | st.sampled_from(Stage), percent=st.none() | st.integers(-5, 120))
    def go_back(self, to: Stage | None, percent: int | None):
        try:
            move = rollback(self.standing, tables=self.tables, to=to, percent=percent)
        except IllegalMove:
            return
        self.take(move)

    @rule(overlay=st.sampled_from([hold, kill, close, resume]))
    def overlay(self, overlay: Callable[[Standing], Standing]):
        try:
            after = overlay(self.standing)
        except IllegalMove:
            assert overlay is kill
            assert self.standing.stage is Stage.RETIRED
            return
        assert resume(after) == resume(self.standing)
        assert overlay is not resume or not after.overlays
        self.standing = after

    def take(self, move: Move):
        legal = targets(move.before, move.direction, tables=self.tables)
        assert move.after.stage in {arrow.target for arrow in legal}
        assert move.before == self.standing
        assert (move.after.held, move.after.closed) == (move.before.held, move.before.closed)
        self.standing = move.after

    @invariant()
    def the_standing_is_one_that_can_be_reached(self):
        assert self.standing in reachable(tables=self.tables)


TestClimb = Climb.TestCase
