"""Every interleaving of the production table within bounds keeps every promise."""

from __future__ import annotations

import os

import pytest

from strangler.transfer.protocol import STEPS, UNDO, Action, Phase
from tests.strangler.transfer.model.explore import explore
from tests.strangler.transfer.model.rules import undo
from tests.strangler.transfer.model.state import Bounds

BOUNDS = {
    "appliers race": Bounds(rogues=2, appliers=2, switches=2, cuts=1),
    "what is written is told": Bounds(rogues=2, switches=2, speaks=True, undos=1),
    "and a mover is killed meanwhile": Bounds(rogues=1, switches=1, crashes=1, speaks=True),
    "two keys": Bounds(rogues=2, keys=2, appliers=2, switches=1, cuts=1),
    "a command comes twice": Bounds(rogues=1, deliveries=2, switches=1, undos=1),
    "there and back": Bounds(deliveries=2, switches=2),
    "a mover is killed": Bounds(rogues=2, switches=2, crashes=1, undos=1),
    "so is the one that repairs": Bounds(rogues=1, switches=1, crashes=2),
    "a command meets a killed mover": Bounds(deliveries=1, switches=1, crashes=1, undos=1),
    "a mover is stopped and wakes up": Bounds(rogues=1, switches=2, takeovers=1),
    "and for ever": Bounds(rogues=1, deliveries=1, switches=1, takeovers=1, wakes=False),
}
LONG = {
    "appliers race": Bounds(rogues=3, keys=2, appliers=2, switches=2, cuts=1, undos=1),
    "three appliers": Bounds(rogues=3, appliers=3, switches=2, cuts=2),
    "a command comes three times": Bounds(rogues=1, deliveries=3, switches=2, undos=1),
    "two movers are killed": Bounds(rogues=2, switches=2, crashes=2),
    "killed, with commands": Bounds(rogues=1, deliveries=2, switches=1, crashes=1, undos=1),
    "stopped twice": Bounds(rogues=1, switches=1, takeovers=2),
    "stopped, with commands": Bounds(rogues=1, deliveries=1, switches=2, takeovers=1),
    "stopped and killed": Bounds(rogues=1, switches=2, takeovers=1, crashes=1),
    "stopped for ever, and killed": Bounds(
        deliveries=1, switches=1, takeovers=1, crashes=1, wakes=False
    ),
}


if os.environ.get("STRANGLER_CHAOS"):
    BOUNDS |= {f"{name}, long": bounds for name, bounds in LONG.items()}


@pytest.mark.parametrize("name", BOUNDS)
def test_every_promise_is_kept(name: str):
    """And what can go wrong does: an exploration in which nothing happened would find nothing."""
    found = explore(BOUNDS[name])

    assert not found.violation, str(found)
    assert {f"mover 1: {step.action}" for step in STEPS} <= found.said
    if name in HAPPENS:
        HAPPENS[name](found.said)


def _somebody_is_killed(said: frozenset[str]) -> None:
    for action in Action:
        assert any(one.endswith(f": {action}") for one in said), action
    assert {one.partition("finds to do: ")[2] for one in said if "finds to do" in one} == {
        "publish, open door",
        "thaw, publish, open door",
        "open, publish, hand over, open door",
        "publish, hand over, open door",
    }
    assert {f"'{action}' of mover 1 gets its turn" for action in LASTING} <= said


def _somebody_wakes_up(said: frozenset[str]) -> None:
    assert {f"mover 1 is too late: {action}" for action in LASTING} <= said
    assert any("is superseded" in one for one in said)


def _rows_are_carried(said: frozenset[str]) -> None:
    assert any("carried" in one for one in said)


LASTING = {Action.FREEZE, Action.NUMBER, Action.DECIDE, Action.OPEN, Action.HAND_OVER}
HAPPENS = {
    "a mover is killed": _somebody_is_killed,
    "a mover is stopped and wakes up": _somebody_wakes_up,
    "there and back": _rows_are_carried,
}


def test_whatever_is_looked_for_has_its_bounds():
    assert HAPPENS.keys() <= BOUNDS.keys()


def test_the_way_back_takes_back_what_has_been_done():
    phases = [Phase.FLOWING, *(step.target for step in STEPS)]

    for done, phase in enumerate(phases[:-1]):
        assert UNDO.get(phase) == undo(STEPS, done)


def test_the_steps_are_one_way_round():
    assert [step.source for step in STEPS[1:]] == [step.target for step in STEPS[:-1]]
    assert STEPS[0].source is STEPS[-1].target is Phase.FLOWING
    assert {step.source for step in STEPS} == set(Phase)
    assert {step.action for step in STEPS} == set(Action) - {Action.THAW}
