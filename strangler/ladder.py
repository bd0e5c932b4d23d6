"""The ladder: which rung a capability may stand on, and which moves lead from one to another.

Pure: no I/O and no clock. ``TRANSITIONS`` is the whole of it as data; the control plane, the
diagram in the documentation and the exhaustive test all read that table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

COHORTS = 1000
"""A cohort is a number from 0 to 999."""


class Arm(StrEnum):
    """Where one call goes."""

    MONOLITH = "monolith"
    SERVICE = "service"


class Stage(StrEnum):
    """The rung of the ladder that a capability stands on, lowest first."""

    MONOLITH = "monolith"
    REPLICATING = "replicating"
    SHADOW = "shadow"
    CANARY = "canary"
    LIVE = "live"
    RETIRED = "retired"

    @property
    def height(self) -> int:
        """0 for ``monolith``, 5 for ``retired``."""
        return list(Stage).index(self)


class Gate(StrEnum):
    """What must be proved before a move up."""

    TRANSFERABLE = "transferable"
    """The capability's rows can be carried: transfer is installed and the tables fit."""
    REPLICATED = "replicated"
    """The service's rows are the monolith's."""
    IN_STEP = "in step"
    """Rows still flow, without delay or loss; of a capability without tables it asks nothing."""
    THROUGH_DOOR = "through the door"
    """Nobody writes the capability's rows but by its door; asks nothing where there are none."""
    REACHABLE = "reachable"
    """The service is ready, and speaks this contract."""
    COMPARED = "compared"
    """Enough shadow comparisons, and no unexplained difference."""
    REHEARSED = "rehearsed"
    """Rehearsed commands agree with what was done; asks nothing where there are no rows."""
    HEALTHY = "healthy"
    """On its present share of the traffic, the service does no worse than the monolith."""
    SOAKED = "soaked"
    """The service has answered everything for long enough, and well."""


class Direction(StrEnum):
    """Up goes through gates; down is always open."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Transition:
    """One arrow of the ladder. ``tables`` is None where it is open to every capability."""

    source: Stage
    target: Stage
    direction: Direction
    gates: tuple[Gate, ...] = ()
    tables: bool | None = None


def _up(source: Stage, target: Stage, *gates: Gate, tables: bool | None = None) -> Transition:
    return Transition(source, target, Direction.UP, gates, tables)


def _down(source: Stage, target: Stage, *, tables: bool | None = None) -> Transition:
    return Transition(source, target, Direction.DOWN, (), tables)


TRANSITIONS: tuple[Transition, ...] = (
    _up(Stage.MONOLITH, Stage.REPLICATING, Gate.TRANSFERABLE, tables=True),
    _up(Stage.REPLICATING, Stage.SHADOW, Gate.REPLICATED, Gate.REACHABLE, tables=True),
    _up(Stage.MONOLITH, Stage.SHADOW, Gate.REACHABLE, tables=False),
    _up(Stage.SHADOW, Stage.CANARY, Gate.REACHABLE, Gate.IN_STEP, Gate.COMPARED, Gate.REHEARSED),
    _up(Stage.CANARY, Stage.CANARY, Gate.IN_STEP, Gate.HEALTHY),
    _up(Stage.CANARY, Stage.LIVE, Gate.IN_STEP, Gate.THROUGH_DOOR, Gate.HEALTHY),
    _up(Stage.LIVE, Stage.RETIRED, Gate.IN_STEP, Gate.SOAKED),
    _down(Stage.REPLICATING, Stage.MONOLITH, tables=True),
    _down(Stage.SHADOW, Stage.MONOLITH),
    _down(Stage.SHADOW, Stage.REPLICATING, tables=True),
    _down(Stage.CANARY, Stage.CANARY),
    _down(Stage.CANARY, Stage.SHADOW),
    _down(Stage.CANARY, Stage.REPLICATING, tables=True),
    _down(Stage.CANARY, Stage.MONOLITH),
    _down(Stage.LIVE, Stage.CANARY),
    _down(Stage.LIVE, Stage.SHADOW),
    _down(Stage.LIVE, Stage.REPLICATING, tables=True),
    _down(Stage.LIVE, Stage.MONOLITH),
)

HOME: dict[Stage, Stage] = {
    Stage.REPLICATING: Stage.MONOLITH,
    Stage.SHADOW: Stage.MONOLITH,
    Stage.CANARY: Stage.SHADOW,
    Stage.LIVE: Stage.SHADOW,
}
"""Where ``rollback`` goes unless it is told.

From where the service answers, to the highest rung where the monolith answers everything; from
there, off the ladder.
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one capability stands; ``percent`` is the service's share in a canary, else 0.

    ``held``, ``killed`` and ``closed`` are overlays, until it is resumed: automation leaves a held
    capability alone, a killed one is answered by the monolith, and to a closed one no edge lets
    clients through.
    """

    stage: Stage = Stage.MONOLITH
    percent: int = 0
    held: bool = False
    killed: bool = False
    closed: bool = False

    def __post_init__(self) -> None:
        if self.stage is Stage.CANARY:
            if not 1 <= self.percent <= 100:
                raise ValueError(f"a canary's percent is 1 to 100, not {self.percent}")
        elif self.percent:
            raise ValueError(f"{self.stage} has no percent, but {self.percent} was given")

    def __str__(self) -> str:
        text = f"{self.stage} {self.percent} %" if self.stage is Stage.CANARY else str(self.stage)
        overlays = self.overlays
        return f"{text} ({', '.join(overlays)})" if overlays else text

    @property
    def overlays(self) -> list[str]:
        """The overlays that lie on the rung."""
        return [name for name in ("held", "killed", "closed") if getattr(self, name)]

    @property
    def owner(self) -> Arm:
        """The side whose database is the system of record: commands go there and nowhere else."""
        return Arm.SERVICE if self.stage in {Stage.LIVE, Stage.RETIRED} else Arm.MONOLITH


@dataclass(frozen=True, slots=True)
class Share:
    """How many of the thousand cohorts the service answers, by kind of call."""

    queries: int
    commands: int


def share(standing: Standing, *, tables: bool) -> Share:
    """What the service answers for a capability that stands here.

    A capability without tables has nothing to lose: its canary splits commands too, and once it is
    killed its commands go to the monolith with the queries.
    """
    if standing.stage in {Stage.LIVE, Stage.RETIRED}:
        split = Share(COHORTS, COHORTS)
    elif standing.stage is Stage.CANARY:
        permille = standing.percent * COHORTS // 100
        split = Share(permille, 0 if tables else permille)
    else:
        split = Share(0, 0)
    if not standing.killed or standing.stage is Stage.RETIRED:
        return split
    return Share(0, COHORTS if tables and standing.owner is Arm.SERVICE else 0)


class IllegalMove(ValueError):
    """The ladder has no such move; the message says which there are."""


@dataclass(frozen=True, slots=True)
class Move:
    """One step on the ladder, and the gates that must be proved for it."""

    before: Standing
    after: Standing
    direction: Direction
    gates: tuple[Gate, ...] = ()


def targets(standing: Standing, direction: Direction, *, tables: bool) -> list[Transition]:
    """The arrows that lead from here in this direction, in the table's order."""
    return [
        arrow
        for arrow in TRANSITIONS
        if arrow.source is standing.stage
        and arrow.direction is direction
        and arrow.tables in {None, tables}
    ]


def advance(
    standing: Standing,
    *,
    tables: bool,
    steps: tuple[int, ...],
    to: Stage | None = None,
    percent: int | None = None,
) -> Move:
    """The move up from here: to the next step of the canary, or else to the next rung.

    ``steps`` are the percentages of the manifest's rollout. ``to`` and ``percent`` name the target;
    it must be what comes next, or within the canary any larger share.

    Raises:
        IllegalMove: there is no such arrow, or the capability is killed.
    """
    if standing.killed:
        raise IllegalMove(f"it is killed at {standing.stage}: resume it before it climbs")
    arrows = targets(standing, Direction.UP, tables=tables)
    if not arrows:
        raise IllegalMove(f"{standing.stage} is the end of the ladder")
    larger = tuple(step for step in steps if step > standing.percent)
    if to is None:
        to = Stage.CANARY if percent is not None else _next(standing, arrows, larger)
    arrow = next((arrow for arrow in arrows if arrow.target is to), None)
    if arrow is None:
        raise IllegalMove(_no_way_up(standing, to, arrows))
    if to is not Stage.CANARY:
        if percent is not None:
            raise IllegalMove(f"{to} has no percent; leave --percent out")
        return Move(standing, replace(standing, stage=to, percent=0), Direction.UP, arrow.gates)
    if percent is None:
        percent = larger[0] if larger else 100
    if not standing.percent < percent <= 100:
        raise IllegalMove(
            f"an advance within the canary raises the share: {standing.percent} % now, "
            f"{percent} % asked for; at most 100"
        )
    return Move(standing, replace(standing, stage=to, percent=percent), Direction.UP, arrow.gates)


def _no_way_up(standing: Standing, to: Stage, arrows: list[Transition]) -> str:
    if to is standing.stage:
        return f"it is there already: on {standing}"
    if to.height < standing.stage.height:
        return f"{to} is below {standing.stage}: the way down is a rollback"
    legal = " or ".join(dict.fromkeys(str(arrow.target) for arrow in arrows))
    return f"from {standing.stage} the next rung is {legal}, not {to}"


def _next(standing: Standing, arrows: list[Transition], larger: tuple[int, ...]) -> Stage:
    if standing.stage is Stage.CANARY:
        return Stage.CANARY if larger else Stage.LIVE
    return arrows[0].target


def rollback(
    standing: Standing,
    *,
    tables: bool,
    to: Stage | None = None,
    percent: int | None = None,
) -> Move:
    """The move down from here; without ``to``, to where the monolith answers everything.

    Raises:
        IllegalMove: there is no such arrow.
    """
    arrows = targets(standing, Direction.DOWN, tables=tables)
    if not arrows:
        reason = (
            "retired is the end: there is no way back from it"
            if standing.stage is Stage.RETIRED
            else f"{standing.stage} is the lowest rung"
        )
        raise IllegalMove(reason)
    if to is None:
        to = Stage.CANARY if percent is not None else HOME[standing.stage]
    if all(arrow.target is not to for arrow in arrows):
        legal = ", ".join(str(arrow.target) for arrow in arrows)
        raise IllegalMove(f"from {standing.stage} the ways back are {legal}, not {to}")
    if to is not Stage.CANARY:
        if percent is not None:
            raise IllegalMove(f"{to} has no percent; leave --percent out")
        after = replace(standing, stage=to, percent=0, killed=False)
        return Move(standing, after, Direction.DOWN)
    ceiling = standing.percent if standing.stage is Stage.CANARY else 101
    if percent is None or not 1 <= percent < ceiling:
        raise IllegalMove(f"a rollback to the canary names a share below {ceiling} %: --percent N")
    return Move(standing, replace(standing, stage=to, percent=percent), Direction.DOWN)


def hold(standing: Standing) -> Standing:
    """Automation leaves the capability alone from now on."""
    return replace(standing, held=True)


def kill(standing: Standing) -> Standing:
    """The monolith answers queries at once; commands go to the owner.

    Raises:
        IllegalMove: the capability is retired; the monolith may not have it any more.
    """
    if standing.stage is Stage.RETIRED:
        raise IllegalMove("it is retired: the monolith does not answer for it any more")
    return replace(standing, killed=True)


def resume(standing: Standing) -> Standing:
    """Lift all overlays."""
    return replace(standing, held=False, killed=False, closed=False)


def close(standing: Standing) -> Standing:
    """Edges tell clients to come again later; neither arm is asked."""
    return replace(standing, closed=True)
