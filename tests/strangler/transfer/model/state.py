"""The state of two databases, a control database, and everybody who acts on them. Immutable.

Small on purpose: a row is the set of the writes that it has seen (bits of an int), a journal is a
number of dirty entries for each key, a number is the last one that was given.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from strangler.ladder import Arm

ARMS = (Arm.MONOLITH, Arm.SERVICE)
NOBODY = -1
"""Of a side: none."""
COMMAND = 1
"""The bit of the one command, which may be delivered more than once."""


class Bounds(NamedTuple):
    """How much may happen in one exploration."""

    keys: int = 1
    deliveries: int = 0
    """Of one and the same command, through the door; it leaves an idempotency key."""
    rogues: int = 0
    """Writes outside the door, each on either side."""
    appliers: int = 1
    switches: int = 1
    crashes: int = 0
    """Of a mover; a statement of it may still be waiting."""
    takeovers: int = 0
    """A second mover comes while the first is only stopped."""
    cuts: int = 0
    """Transactions of an applier that the source ends, while the target's goes on."""
    tokens: int = 6
    """The last mover's token: with a protocol that is right, they need not come without end."""
    wakes: bool = True
    """Who was stopped wakes up, at any time; otherwise it is stopped for ever, and in the way."""
    undos: int = 0
    """Switches that go over their budget."""
    speaks: bool = False
    """Each write says an event, which a relay tells sooner or later."""

    @property
    def rows(self) -> int:
        """The keys of rows; the last is the idempotency key, where there are commands."""
        return self.keys + bool(self.deliveries)


class Side(NamedTuple):
    """One side's database: the owner row, the triggers, the rows and their journal, the numbers."""

    owner: int
    epoch: int
    token: int
    frozen: bool
    fenced: bool
    captures: bool
    rows: tuple[int, ...]
    journal: tuple[int, ...]
    """Committed entries, also those that somebody has claimed."""
    last: int
    untold: int
    """Events that are on their way to whoever listens."""


class Control(NamedTuple):
    """The control database: the decision, and the token of the lease."""

    owner: int
    epoch: int
    token: int


class Writer(NamedTuple):
    """A delivery of the command, or a write outside the door."""

    phase: str
    """``waiting``, ``inside`` (the door), ``wrote`` (and has not committed), ``done``."""
    side: int


class Applier(NamedTuple):
    """One transaction pair that carries a key: ``claimed``, ``locked``, ``read``, ``applied``."""

    phase: str
    key: int
    source: int
    token: int
    epoch: int
    value: int = 0
    claim: bool = True
    """The source's transaction still lives."""


class Mover(NamedTuple):
    """A process that switches and repairs. One that is stopped is one that does not come next."""

    token: int
    mode: str
    """``seizing``, ``idle``, ``switching``; ``undoing`` and ``repairing`` are lists to work off."""
    at: int = 0
    """Seizing: the places that it has, as bits. Switching: the step that comes next."""
    todo: tuple[str, ...] = ()
    old: int = NOBODY
    epoch: int = 0
    door: int = NOBODY
    """The side whose door it holds closed."""


class Orphan(NamedTuple):
    """A statement that still waits in a database, though its client is dead."""

    action: str
    token: int
    old: int
    epoch: int
    door: int = NOBODY
    """The side whose door its session holds: one connection both closes the door and freezes."""


class State(NamedTuple):
    """Everything."""

    sides: tuple[Side, Side]
    control: Control
    table: int
    """Where the routing table sends commands."""
    movers: tuple[Mover, ...]
    """In the order of their tokens."""
    appliers: tuple[Applier | None, ...]
    orphans: tuple[Orphan, ...]
    deliveries: tuple[Writer, ...]
    rogues: tuple[Writer, ...]
    acknowledged: int
    switches: int
    crashes: int
    takeovers: int
    undos: int
    cuts: int
    tokens: int
    wakes: bool
    speaks: bool
    broken: str = ""
    """The name of an invariant that the last action has seen broken."""


def initial(bounds: Bounds) -> State:
    """The monolith owns, its rows flow, nothing is dirty, and one mover is there."""
    rows = (0,) * bounds.rows
    monolith = Side(
        owner=0, epoch=1, token=1, frozen=False, fenced=False, captures=True, rows=rows,
        journal=rows, last=0, untold=0,
    )  # fmt: skip
    service = monolith._replace(fenced=True, captures=False)
    return State(
        sides=(monolith, service),
        control=Control(0, 1, 1),
        table=0,
        movers=(Mover(1, "idle"),),
        appliers=(None,) * bounds.appliers,
        orphans=(),
        deliveries=tuple(Writer("waiting", index % 2) for index in range(bounds.deliveries)),
        rogues=(Writer("waiting", NOBODY),) * bounds.rogues,
        acknowledged=0,
        switches=bounds.switches,
        crashes=bounds.crashes,
        takeovers=bounds.takeovers,
        undos=bounds.undos,
        cuts=bounds.cuts,
        tokens=bounds.tokens,
        wakes=bounds.wakes,
        speaks=bounds.speaks,
    )


def on(state: State, side: int, **changes: Any) -> State:
    """The state with one side changed."""
    changed = state.sides[side]._replace(**changes)
    return state._replace(
        sides=(changed, state.sides[1]) if side == 0 else (state.sides[0], changed)
    )


def canonical(state: State) -> State:
    """One of all states that differ only in who of several equals is called the first."""
    if max(len(state.appliers), len(state.orphans), len(state.deliveries)) < 2:
        return state
    return state._replace(
        appliers=tuple(sorted(state.appliers, key=lambda one: one or ())),
        orphans=tuple(sorted(set(state.orphans))),
        deliveries=tuple(sorted(state.deliveries)),
    )


def writing(state: State, side: int) -> bool:
    """Whether somebody's write on this side is not committed yet."""
    return any(
        one.phase == "wrote" and one.side == side for one in (*state.deliveries, *state.rogues)
    )


def shut(state: State, side: int, token: int = 0) -> bool:
    """Whether anybody (but the mover of this token) holds this side's door closed."""
    holders = [(one.door, one.token) for one in state.movers]
    holders += [(one.door, one.token) for one in state.orphans]
    return any(door == side and whose != token for door, whose in holders)


def locked(state: State, side: int) -> bool:
    """Whether an applier holds this side's owner row for sharing."""
    return any(
        one is not None and one.source != side and one.phase in {"locked", "read"}
        for one in state.appliers
    )
