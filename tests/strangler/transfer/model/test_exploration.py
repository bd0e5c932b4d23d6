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


@pytest.mark.parametrize("bounds", BOUNDS.values(), ids=BOUNDS)
def test_every_promise_is_kept(bounds: Bounds):
    found = explore(bounds)

    assert not found.violation, str(found)
    assert {f"mover 1: {step.action}" for step in STEPS} <= found.said


def test_what_can_go_wrong_does():
    """An exploration in which nothing ever happened would find nothing."""
    killed = explore(BOUNDS["a mover is killed"]).said
    stopped = explore(BOUNDS["a mover is stopped and wakes up"]).said

    for action in Action:
        assert any(said.endswith(f": {action}") for said in killed), action
    repairs = {said.partition("finds to do: ")[2] for said in killed if "finds to do" in said}
    assert repairs == {
        "publish, open door",
        "thaw, publish, open door",
        "open, hand over, publish, open door",
        "hand over, publish, open door",
    }
    lasting = {Action.FREEZE, Action.NUMBER, Action.DECIDE, Action.OPEN, Action.HAND_OVER}
    for action in lasting:
        assert f"'{action}' of mover 1 gets its turn" in killed
        assert f"mover 1 is too late: {action}" in stopped
    assert any("is superseded" in said for said in stopped)
    assert any("carried" in said for said in explore(BOUNDS["there and back"]).said)


def test_the_way_back_takes_back_what_has_been_done():
    phases = [Phase.FLOWING, *(step.target for step in STEPS)]

    for done, phase in enumerate(phases[:-1]):
        assert UNDO.get(phase) == undo(STEPS, done)


def test_the_steps_are_one_way_round():
    assert [step.source for step in STEPS[1:]] == [step.target for step in STEPS[:-1]]
    assert STEPS[0].source is STEPS[-1].target is Phase.FLOWING
    assert {step.source for step in STEPS} == set(Phase)
    assert {step.action for step in STEPS} == set(Action) - {Action.THAW}
