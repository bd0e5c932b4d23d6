"""Whatever happens to a saga, in whatever order, it keeps its promises."""

from __future__ import annotations

import os
from itertools import product

import pytest

from strangler.saga.machine import TRANSITIONS, Event, IllegalEvent, Kind, Standing, State, after
from tests.strangler.saga.model import Model, plan

SHAPES = ["p", "P", "u", "cp", "Cu", "Ccp", "cCP", "ccu", "pr", "CPR", "cur", "urR"]
if os.environ.get("STRANGLER_CHAOS"):
    early, late = ("", "c", "C", "cc", "cC", "Cc", "ccc"), ("", "r", "R", "rr")
    SHAPES = ["".join(parts) for parts in product(early, "pPu", late)]


@pytest.mark.parametrize("letters", SHAPES)
def test_every_promise_is_kept(letters: str):
    """And what can happen does: where nothing went wrong, nothing would be found."""
    model = Model(plan(letters))

    found = {world.standing.state for world in model.explore()}

    nothing_to_undo = letters[0] in "pP"
    assert found == set(State) - ({State.COMPENSATING} if nothing_to_undo else set())


def test_every_row_of_the_table_is_of_some_use():
    said = set()
    for letters in ("ccur", "CPR", "cpr"):
        model = Model(plan(letters))
        model.explore()
        said |= {(before.state, event, now.state) for before, event, now in model.said}

    assert said == {(row.source, row.event, row.target) for row in TRANSITIONS}


def test_what_has_ended_stays_so():
    for state, event in product(State, Event):
        if state.ended:
            with pytest.raises(IllegalEvent, match=f"that is {state}"):
                after(Standing(state), event, plan("cpr"))


def test_every_state_is_one_that_moves_or_ends_or_waits_for_somebody():
    assert {state for state in State if state.ended} == {
        State.COMPLETED, State.COMPENSATED, State.ABANDONED,
    }  # fmt: skip
    assert {state for state in State if state.moving} == {State.RUNNING, State.COMPENSATING}
    assert {row.source for row in TRANSITIONS} == {one for one in State if not one.ended}
    assert {row.event for row in TRANSITIONS} == set(Event)
    assert {kind for row in TRANSITIONS for kind in row.kinds} == set(Kind)
