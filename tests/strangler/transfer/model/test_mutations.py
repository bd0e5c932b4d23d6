"""A protocol with a hole in it is found out: a model that could not fail would prove nothing."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import pytest

from strangler.transfer.database import Owner
from strangler.transfer.protocol import STEPS, Action, Decision, remaining
from tests.strangler.transfer.model import invariants
from tests.strangler.transfer.model.explore import explore
from tests.strangler.transfer.model.rules import SEIZED, Rules, swapped, without
from tests.strangler.transfer.model.state import Bounds


class Hole(NamedTuple):
    """A mutation, the bounds within which it does harm, and the promise that is broken then."""

    rules: Rules
    bounds: Bounds
    broken: str


WRITES = Bounds(rogues=1)
THERE_AND_BACK = Bounds(rogues=1, switches=2)
KILLED = Bounds(rogues=1, crashes=1)
KILLED_THERE = Bounds(rogues=1, switches=2, crashes=1)
STOPPED = Bounds(rogues=1, takeovers=1)
STOPPED_THERE = Bounds(rogues=1, switches=2, takeovers=1)
QUIET = STOPPED_THERE._replace(rogues=0)
APPLIERS = Bounds(rogues=2, appliers=2)
CUT = Bounds(rogues=2, appliers=2, cuts=1)
SPOKEN = Bounds(rogues=2, speaks=True)
TWICE = Bounds(deliveries=2)
OPENING = [step.action for step in STEPS].index(Action.OPEN)
LATE = swapped([step.action for step in STEPS].index(Action.DECIDE))


def _unpublished(decision: Decision, monolith: Owner, service: Owner) -> tuple[Action, ...]:
    left = remaining(decision, monolith, service)
    return tuple(action for action in left if action is not Action.PUBLISH)


HOLES = {
    "the drain is dropped": Hole(
        Rules(steps=without(Action.DRAIN)), WRITES, invariants.KEPT
    ),
    "drained is when nothing is claimable": Hole(
        Rules(counts_claimed=False), WRITES, invariants.KEPT
    ),
    "the source is read before the target's key is locked": Hole(
        Rules(locks_before_reading=False), APPLIERS, invariants.KEPT
    ),
    "an applier does not check the target's owner row": Hole(
        Rules(appliers_check=False), CUT, invariants.KEPT
    ),
    "an applier does not keep the owner row locked": Hole(
        Rules(appliers_hold=False), CUT, invariants.KEPT
    ),
    "the fence goes before the drain": Hole(
        Rules(steps=(*STEPS[:2], STEPS[OPENING], *STEPS[2:OPENING], *STEPS[OPENING + 1 :])),
        WRITES, invariants.KEPT,
    ),
    "the fence goes before the decision": Hole(Rules(steps=LATE), WRITES, invariants.KEPT),
    "the decision is recorded late, and the mover killed": Hole(
        Rules(steps=LATE), KILLED._replace(rogues=0), invariants.TORN
    ),
    "reverse capture comes after the unfence": Hole(
        Rules(captures_with_opening=False), THERE_AND_BACK, invariants.KEPT
    ),
    "no token in a step, and a stopped mover wakes up": Hole(
        Rules(steps_check=False), STOPPED_THERE, invariants.FENCED
    ),
    "no token in a step, and a statement outlives its client": Hole(
        Rules(steps_check=False), KILLED_THERE, invariants.FENCED
    ),
    "no token in the decision, and a stopped mover wakes up": Hole(
        Rules(decision_checks=False), STOPPED, invariants.KEPT
    ),
    "no token in the decision, and a statement outlives its client": Hole(
        Rules(decision_checks=False), KILLED, invariants.KEPT
    ),
    "sequences are forgotten": Hole(
        Rules(steps=without(Action.NUMBER)), APPLIERS, invariants.NUMBERED
    ),
    "sequences are forgotten on the way back": Hole(
        Rules(steps=without(Action.NUMBER)), Bounds(rogues=2, switches=2), invariants.NUMBERED
    ),
    "what the old owner has said is not told first": Hole(
        Rules(steps=without(Action.TELL)), SPOKEN, invariants.TOLD
    ),
    "nor on the way back": Hole(
        Rules(steps=without(Action.TELL)), SPOKEN._replace(switches=2), invariants.TOLD
    ),
    "idempotency keys are left behind": Hole(
        Rules(keys_travel=False), TWICE, invariants.DOUBLED
    ),
    "a repair has seized nothing": Hole(Rules(seizes=0), STOPPED, invariants.FENCED),
    "a repair has seized the monolith only": Hole(
        Rules(seizes=1), STOPPED_THERE._replace(rogues=0, deliveries=1), invariants.FENCED
    ),
    "a repair has seized both sides, and not the lease": Hole(
        Rules(seizes=3), STOPPED, invariants.KEPT
    ),
    "a repair has the lease, and has seized no side": Hole(
        Rules(seizes=4), QUIET, invariants.STUCK
    ),
    "a repair has the lease and the monolith": Hole(Rules(seizes=5), QUIET, invariants.STUCK),
    "a repair has the lease and the service": Hole(Rules(seizes=6), QUIET, invariants.STUCK),
    "a repair does not publish": Hole(
        Rules(mend=_unpublished, repair_ends=(Action.OPEN_DOOR,)), KILLED, invariants.STUCK
    ),
    "a repair does not evict": Hole(
        Rules(repair_ends=(Action.PUBLISH,)),
        Bounds(deliveries=1, takeovers=1, wakes=False), invariants.STUCK,
    ),
    "going back without knowing whether it was decided": Hole(
        Rules(asks_after_doubt=False), Bounds(rogues=1, undos=1), invariants.KEPT
    ),
    "the door is another session than the freeze": Hole(
        Rules(door_with_freeze=False), Bounds(deliveries=1, crashes=1), invariants.DENIED
    ),
}  # fmt: skip

SUITE = (
    Bounds(deliveries=1, crashes=1),
    Bounds(rogues=2, crashes=1),
    SPOKEN,
    Bounds(rogues=1, switches=2, crashes=1),
    Bounds(rogues=1, takeovers=1, undos=1),
    Bounds(deliveries=1, takeovers=1, wakes=False),
)
"""What every mutation of the table is held against."""

HARMLESS = {
    "without verify": "it looks once more at what the drain has carried; nothing else relies on it",
    "verify after tell": "neither changes what the other looks at, and both are done while "
    "nobody writes",
    "tell after number": "likewise",
    "open after publish": "the new owner has every row, and turns away what comes too early",
    "hand over after open door": "who comes in by the door reads that all is frozen, and waits",
    "publish after hand over": "whoever is carried to the new owner might read at the old one, "
    "which no write depends on: a test of the shop looks for that",
}
"""Mutations of the table that no promise depends on, and why."""


@pytest.mark.parametrize("hole", HOLES.values(), ids=HOLES)
def test_a_hole_is_found_by_the_harm_it_does(hole: Hole):
    found = explore(hole.bounds, hole.rules, watching=frozenset({hole.broken}))

    assert found.violation == {hole.broken}, str(found)
    assert found.trace or hole.broken == invariants.STUCK


def test_within_the_same_bounds_the_protocol_does_no_harm():
    for bounds in {hole.bounds for hole in HOLES.values()}:
        found = explore(bounds)
        assert not found.violation, str(found)


@pytest.mark.parametrize("action", [step.action for step in STEPS], ids=str)
def test_no_step_can_be_left_out(action: Action):
    _caught(f"without {action}", Rules(steps=without(action)))


@pytest.mark.parametrize("first", range(len(STEPS) - 1))
def test_no_two_steps_can_change_places(first: int):
    name = f"{STEPS[first].action} after {STEPS[first + 1].action}"
    _caught(name, Rules(steps=swapped(first)))


def test_what_is_harmless_can_be_done_to_the_table():
    names = {f"without {step.action}" for step in STEPS}
    names |= {f"{one.action} after {two.action}" for one, two in pairwise(STEPS)}

    assert set(HARMLESS) <= names
    assert Rules().seizes == SEIZED


def _caught(name: str, rules: Rules) -> None:
    caught = any(explore(bounds, rules).violation for bounds in SUITE)

    assert caught != (name in HARMLESS), f"{name}: {HARMLESS.get(name)}"
