"""The protocol that is explored: the production table, and what an implementation promises.

Each field is one promise. A seeded mutation breaks one of them; the table itself is mutated by
``without`` and ``swapped``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from strangler.transfer.database import Owner
from strangler.transfer.protocol import STEPS, Action, Decision, Step, remaining

SEIZED = 7
"""Both sides (bits 0 and 1), and the lease in the control database (bit 2)."""
Mend = Callable[[Decision, Owner, Owner], tuple[Action, ...]]


@dataclass(frozen=True)
class Rules:
    """What everybody does."""

    steps: tuple[Step, ...] = STEPS
    mend: Mend = remaining
    counts_claimed: bool = True
    """Drained is a count of zero over the whole journal, with what somebody has claimed."""
    locks_before_reading: bool = True
    """The source's row is read once the target's key is locked."""
    captures_with_opening: bool = True
    """Reverse capture and the end of the fence are one transaction."""
    steps_check: bool = True
    """A step on a side checks token and epoch in its own transaction."""
    decision_checks: bool = True
    """So does the decision."""
    appliers_check: bool = True
    """So does whoever writes to the target."""
    appliers_hold: bool = True
    """And it keeps the owner row locked for sharing until it has committed."""
    keys_travel: bool = True
    """Idempotency keys are captured like any other row."""
    seizes: int = SEIZED
    """What a repair seizes before it looks and acts; the rest, when it acts there."""
    repair_ends: tuple[Action, ...] = (Action.PUBLISH, Action.OPEN_DOOR)
    """What a repair does whatever it finds: the owner rows do not tell whether it was done."""
    door_with_freeze: bool = True
    """One session holds the door and freezes: a freeze that still waits keeps the door closed."""
    asks_after_doubt: bool = True
    """A mover that does not know whether its decision was recorded leaves the rest to a repair."""


def undo(steps: tuple[Step, ...], done: int) -> tuple[Action, ...] | None:
    """The way back after so many steps; None where the decision is among them."""
    actions = {step.action for step in steps[:done]}
    if Action.DECIDE in actions:
        return None
    inverse = ((Action.FREEZE, Action.THAW), (Action.CLOSE_DOOR, Action.OPEN_DOOR))
    return tuple(back for there, back in inverse if there in actions)


def without(action: Action) -> tuple[Step, ...]:
    """The production table with one step left out."""
    gap = next(step for step in STEPS if step.action is action)
    return tuple(
        replace(step, source=gap.source) if step.source is gap.target else step
        for step in STEPS
        if step is not gap
    )


def swapped(first: int) -> tuple[Step, ...]:
    """The production table with one step and the next in each other's place."""
    one, two = STEPS[first], STEPS[first + 1]
    steps = list(STEPS)
    steps[first] = replace(two, source=one.source, target=one.target)
    steps[first + 1] = replace(one, source=two.source, target=two.target)
    return tuple(steps)
