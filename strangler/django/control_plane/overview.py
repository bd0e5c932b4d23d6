"""Everything there is to see at one glance: what ``strangler status`` shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from strangler.django import conf, contracts
from strangler.django.control_plane import control, evidence, ledger, probes, state
from strangler.django.control_plane.errors import ControlPlaneAway
from strangler.django.control_plane.evidence import ArmReport
from strangler.django.ports import placing
from strangler.gates import Outcome, Probe, Verdict
from strangler.ladder import Arm, Gate, Move, Share, Standing
from strangler.routing.table import Entry, TableUnusable


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """The routing table beside the database: ``revision`` is None where it can't be asked."""

    path: str
    revision: int | None
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One capability. ``next`` is None at the end of the ladder, and while it is killed.

    ``mapped``: the manifest says how its rows are carried.
    ``killed_here``: this machine's routing table has it killed, and the database does not know.
    """

    capability: str
    standing: Standing
    share: Share
    tables: bool
    since: datetime | None
    since_revision: int
    revision: int
    arms: Mapping[Arm, ArmReport]
    next: Move | None
    verdicts: tuple[Verdict, ...]
    killed_here: bool = False
    mapped: bool = True

    @property
    def waits_for(self) -> tuple[Verdict, ...]:
        """What the next move still misses."""
        return tuple(one for one in self.verdicts if one.outcome is not Outcome.PASSED)

    @property
    def stays(self) -> bool:
        """Its rows would have to move next, and nothing says how."""
        transferable = any(one.gate is Gate.TRANSFERABLE for one in self.waits_for)
        return transferable and not self.mapped


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All capabilities. ``problem`` says why the database was not asked: then the table was."""

    revision: int | None
    table: TableState
    rows: tuple[Row, ...]
    problem: str | None = None
    at: datetime = field(default_factory=timezone.now)

    @property
    def wrong(self) -> str | None:
        """What somebody has to see to, beside what capabilities wait for; None if nothing is."""
        return self.problem or self.lag

    @property
    def lag(self) -> str | None:
        """Why readers may not see what the database says; None if they do."""
        if self.table.problem and (self.revision or self.revision is None):
            return (
                f"the routing table can't be asked, so calls go to the owner: {self.table.problem}"
            )
        table = self.table.revision
        if self.revision is None or table is None or table == self.revision:
            return None
        if table < self.revision:
            return (
                f"the routing table lags: it is at revision {table}, the database at "
                f"{self.revision}. Bring it up: strangler publish"
            )
        return (
            f"the routing table is ahead: it is at revision {table}, the database at "
            f"{self.revision}. Somebody killed locally, or the database was put back: "
            "'strangler kill CAPABILITY' records it, 'strangler publish' undoes it"
        )


def overview() -> Overview:
    """How it all stands now; services are asked where the next move needs them."""
    table = table_state()
    try:
        with ledger.reaching():
            revision = state.revision()
            states = state.read_all()
            moves = {name: _next(one) for name, one in states.items()}
            probed = _probed(moves)
            killed = _killed_here(states)
            rows = tuple(
                _row(one, moves[name], probed.get(name, ()), killed_here=name in killed)
                for name, one in states.items()
            )
    except ControlPlaneAway as error:
        return Overview(revision=None, table=table, rows=_from_table(), problem=str(error))
    return Overview(revision=revision, table=table, rows=rows)


def table_state() -> TableState:
    """The routing table as it is now."""
    path = str(conf.settings().table)
    try:
        return TableState(path=path, revision=placing.table().revision(), problem=None)
    except TableUnusable as error:
        return TableState(path=path, revision=None, problem=f"{error.path}: {error.found}")


def _next(known: state.State) -> Move | None:
    return control.next_move(state.capability(known.capability), known)


def _probed(moves: Mapping[str, Move | None]) -> dict[str, tuple[Probe, ...]]:
    asked = [
        state.capability(name)
        for name, move in moves.items()
        if move is not None and Gate.REACHABLE in move.gates
    ]
    return probes.probe_all([(one, contracts.digest(one)) for one in asked])


def _killed_here(states: Mapping[str, state.State]) -> frozenset[str]:
    try:
        entries = placing.table().entries()
    except TableUnusable:
        return frozenset()
    return frozenset(
        name
        for name, one in states.items()
        if name in entries and entries[name].killed and not one.standing.killed
    )


def _row(
    known: state.State, move: Move | None, probed: tuple[Probe, ...], *, killed_here: bool
) -> Row:
    capability = state.capability(known.capability)
    return Row(
        capability=known.capability,
        standing=known.standing,
        share=state.entry(known.standing, with_tables=known.tables).share,
        tables=known.tables,
        since=known.since,
        since_revision=known.since_revision,
        revision=known.revision,
        arms=evidence.arms(known),
        next=move,
        verdicts=control.judge(capability, known, move, probed) if move else (),
        killed_here=killed_here,
        mapped=capability.transfer is not None,
    )


def _from_table() -> tuple[Row, ...]:
    try:
        entries = placing.table().entries()
    except TableUnusable:
        return ()
    return tuple(_bare(name, entry) for name, entry in entries.items())


def _bare(name: str, entry: Entry) -> Row:
    return Row(
        capability=name,
        standing=entry.standing,
        share=entry.share,
        tables=False,
        since=None,
        since_revision=0,
        revision=0,
        arms={arm: ArmReport() for arm in Arm},
        next=None,
        verdicts=(),
    )
