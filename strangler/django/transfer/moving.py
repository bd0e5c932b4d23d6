"""What a move of the ladder does to rows: they begin to flow, change owner, stop, or are retired.

Whoever moves holds the lease meanwhile: a running mover lets go of it for a moment, and where none
runs, as in development, this process does its work.
"""

from __future__ import annotations

from collections.abc import Sequence

from strangler.django.control_plane.errors import RowsStay
from strangler.django.control_plane.ledger import Moved
from strangler.django.transfer import losing, switching
from strangler.django.transfer.budget import budget
from strangler.django.transfer.holding import Record, alone, held
from strangler.ladder import Arm, Move, Stage
from strangler.manifest import Capability
from strangler.transfer.protocol import Action
from strangler.transfer.repair import reinstall
from strangler.transfer.settle import settle
from strangler.transfer.switch import Switch, Timings


def perform(
    members: Sequence[Capability], move: Move, record: Record, *, accept_loss: bool = False
) -> Moved:
    """Make a move of a capability with tables.

    ``accept_loss`` lets the rows come back without the service's database, if that is away.

    Raises:
        RowsStay: the rows could not change owner; nothing has changed.
        RowsTorn: a switch broke off half done; it has to be repaired.
        ControlError, PublishFailed: as ``record`` does.
    """
    if len(members) > 1:
        names = " and ".join(one.name for one in members)
        raise RowsStay(f"{names} flip together, and the rows of one can move at a time only")
    (capability,) = members
    before, after = move.before, move.after
    if before.stage is Stage.MONOLITH:
        with held(capability) as ours:
            ours.begin()
            return record(within=ours.begun)
    if before.owner is not after.owner:
        moved = _change(capability, move, record, accept_loss=accept_loss)
    elif after.stage is Stage.MONOLITH:
        with alone(capability):
            moved = record()
    elif after.stage is Stage.RETIRED:
        with held(capability):
            moved = record()
    else:
        return record()
    if after.stage is Stage.MONOLITH:
        with alone(capability) as ours:
            ours.end()
    elif after.stage is Stage.RETIRED:
        with held(capability) as ours:
            ours.retire()
    return moved


def dry_run(capability: Capability) -> Timings:
    """What a switch would take now, as ``Switch.rehearse`` measures it.

    Raises:
        RowsStay: it could not be begun; says why.
    """
    with held(capability) as ours:
        flow = ours.flow()
        settle(flow, ours.lease, heard=switching.hearing(capability))
        return Switch(flow, ours.lease, budget=budget(capability)).rehearse()


def mend(capability: Capability) -> tuple[Action, ...]:
    """Repair what a mover has left half done, and install again what somebody has taken away.

    Raises:
        RowsStay: one of the databases is out of reach, or there is nothing to repair.
    """
    with held(capability) as ours:
        done = ours.repair()
        reinstall(ours.lease, monolith=ours.monolith, service=ours.service)
        return done


def _change(capability: Capability, move: Move, record: Record, *, accept_loss: bool) -> Moved:
    back = move.before.owner is Arm.SERVICE
    if back and accept_loss and losing.away(capability):
        return losing.give_up(capability, move, record)
    try:
        return switching.switch(capability, record)
    except RowsStay as stays:
        if back and losing.away(capability):
            raise RowsStay(f"{stays}. {losing.advice(capability.name)}") from stays
        raise
