"""The switch: how a capability's rows change owner, step by step. Pure.

``STEPS`` is the whole of it as data, the same for both directions: the old owner is the side that
has the rows, the new owner the one that gets them. The production code (``switch``, ``repair``),
the diagram in the documentation and the exhaustive model test all read that table.

The anchor is Vitess' MoveTables. ``DECIDE`` is the commit point: whoever finds a switch half done
goes back before it, and forward after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from strangler.ladder import Arm
from strangler.transfer.database import Owner


class Phase(StrEnum):
    """How far a switch has come."""

    FLOWING = "flowing"
    """No switch: the owner takes writes, and its rows flow to the other side."""
    CLOSED = "closed"
    """Commands wait at the old owner's door."""
    FROZEN = "frozen"
    """Nobody writes the capability's rows, on either side."""
    DRAINED = "drained"
    """The new owner has every row."""
    VERIFIED = "verified"
    """What was dirty of late has been compared."""
    TOLD = "told"
    """No event of the old owner's is on its way any more: what the new one says comes after it."""
    NUMBERED = "numbered"
    """The new owner gives no number that the old one has given."""
    DECIDED = "decided"
    """The control database says that the new owner owns: only another switch leads back."""
    OPENED = "opened"
    """The new owner takes writes, and captures them for the way back."""
    PUBLISHED = "published"
    """The routing table sends commands to the new owner, and whoever has sent one reads there."""
    HANDED = "handed"
    """The old owner knows that it is none any more: what still comes to it is carried."""


class Action(StrEnum):
    """What the mover does to come from one phase to the next, or back to the first."""

    CLOSE_DOOR = "close door"
    FREEZE = "freeze"
    DRAIN = "drain"
    VERIFY = "verify"
    TELL = "tell"
    NUMBER = "number"
    DECIDE = "decide"
    OPEN = "open"
    PUBLISH = "publish"
    HAND_OVER = "hand over"
    OPEN_DOOR = "open door"
    THAW = "thaw"
    """Undo a freeze: the old owner takes writes again."""


class Place(StrEnum):
    """Where an action takes effect."""

    OLD = "the old owner's database"
    NEW = "the new owner's database"
    CONTROL = "the control database"
    TABLE = "the routing table"


@dataclass(frozen=True, slots=True)
class Step:
    """One arrow. An action whose effect lasts is one transaction at its place."""

    source: Phase
    action: Action
    target: Phase
    place: Place
    lasts: bool
    """What it did is still there when the mover is not; a held door is not, a row is."""


STEPS: tuple[Step, ...] = (
    Step(Phase.FLOWING, Action.CLOSE_DOOR, Phase.CLOSED, Place.OLD, lasts=False),
    Step(Phase.CLOSED, Action.FREEZE, Phase.FROZEN, Place.OLD, lasts=True),
    Step(Phase.FROZEN, Action.DRAIN, Phase.DRAINED, Place.NEW, lasts=True),
    Step(Phase.DRAINED, Action.VERIFY, Phase.VERIFIED, Place.NEW, lasts=False),
    Step(Phase.VERIFIED, Action.TELL, Phase.TOLD, Place.OLD, lasts=False),
    Step(Phase.TOLD, Action.NUMBER, Phase.NUMBERED, Place.NEW, lasts=True),
    Step(Phase.NUMBERED, Action.DECIDE, Phase.DECIDED, Place.CONTROL, lasts=True),
    Step(Phase.DECIDED, Action.OPEN, Phase.OPENED, Place.NEW, lasts=True),
    Step(Phase.OPENED, Action.PUBLISH, Phase.PUBLISHED, Place.TABLE, lasts=True),
    Step(Phase.PUBLISHED, Action.HAND_OVER, Phase.HANDED, Place.OLD, lasts=True),
    Step(Phase.HANDED, Action.OPEN_DOOR, Phase.FLOWING, Place.OLD, lasts=False),
)

UNDO: dict[Phase, tuple[Action, ...]] = {
    Phase.FLOWING: (),
    Phase.CLOSED: (Action.OPEN_DOOR,),
    Phase.FROZEN: (Action.THAW, Action.OPEN_DOOR),
    Phase.DRAINED: (Action.THAW, Action.OPEN_DOOR),
    Phase.VERIFIED: (Action.THAW, Action.OPEN_DOOR),
    Phase.TOLD: (Action.THAW, Action.OPEN_DOOR),
    Phase.NUMBERED: (Action.THAW, Action.OPEN_DOOR),
}
"""The way back from before the decision. There is none from a phase that is not here."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the control database says: who owns the capability's rows, and since which epoch."""

    owner: Arm
    epoch: int


class Torn(RuntimeError):
    """The owner rows contradict the control database in a way that no crash of a mover leaves."""


def remaining(decision: Decision, monolith: Owner, service: Owner) -> tuple[Action, ...]:
    """What is left to do of a switch that somebody has left half done; nothing, if none was.

    Called once the token of whoever left it counts no more, on either side nor for the decision.
    Whether the table was published and the doors were opened the owner rows do not tell: a repair
    does both at the end, whatever this says.

    Raises:
        Torn: a restored backup, or somebody's hand.
    """
    rows = {Arm.MONOLITH: monolith, Arm.SERVICE: service}
    new = rows.pop(decision.owner)
    (old,) = rows.values()
    settled = (decision.owner, decision.epoch)
    there = (new.owner, new.epoch) == settled
    known = (old.owner, old.epoch) == settled
    if there and known:
        return (Action.THAW,) if new.frozen else ()
    before = (_other(decision.owner), decision.epoch - 1)
    if (there or (new.owner, new.epoch) == before) and (old.owner, old.epoch) == before:
        actions = [Action.PUBLISH, Action.HAND_OVER, Action.OPEN_DOOR]
        return tuple(actions if there else [Action.OPEN, *actions])
    raise Torn(
        f"the control database says that the {decision.owner} owns since epoch {decision.epoch}; "
        f"the monolith's owner row says the {monolith.owner} since {monolith.epoch}, "
        f"the service's the {service.owner} since {service.epoch}"
    )


def step_from(phase: Phase) -> Step:
    """The step that leads on from a phase."""
    return next(step for step in STEPS if step.source is phase)


def _other(arm: Arm) -> Arm:
    return Arm.SERVICE if arm is Arm.MONOLITH else Arm.MONOLITH
