"""What a move of the ladder does to rows: they begin to flow, change owner, stop, or are retired.

Whoever moves holds the lease meanwhile: a running mover lets go of it for a moment, and where none
runs, as in development, this process does its work.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from django.utils import timezone

from strangler.django import conf
from strangler.django.control_plane.errors import (
    ControlPlaneAway,
    MoveRefused,
    RevisionConflict,
    RowsStay,
    RowsTorn,
    TableAhead,
)
from strangler.django.control_plane.ledger import Moved, flipped
from strangler.django.models import Transfer
from strangler.django.transfer import losing
from strangler.django.transfer.holding import Held, Record, alone, held
from strangler.django.transfer.lease import Leased
from strangler.ladder import Arm, IllegalMove, Move, Stage
from strangler.manifest import Capability
from strangler.routing.publish import Prepared, PublishFailed
from strangler.transfer.control import ControlAway, NotOurs
from strangler.transfer.database import TransferError
from strangler.transfer.protocol import Action, Decision
from strangler.transfer.switch import Switch, SwitchRefused, Timings

PATIENCE = 15.0
"""Seconds in which a switch that broke off is repaired at once."""
KEPT = 20
"""Switches whose timings are remembered."""

_REFUSALS = (MoveRefused, RevisionConflict, TableAhead, PublishFailed, IllegalMove, NotOurs)
"""After each of these it is certain that the move was not written down."""

_log = logging.getLogger("strangler.transfer")


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
        switch = Switch(ours.flow(), ours.lease)
        switch.settle()
        return switch.rehearse()


def mend(capability: Capability) -> tuple[Action, ...]:
    """Repair what a mover has left half done.

    Raises:
        RowsStay: one of the databases is out of reach, or there is nothing to repair.
    """
    with held(capability) as ours:
        return ours.repair()


def _change(capability: Capability, move: Move, record: Record, *, accept_loss: bool) -> Moved:
    back = move.before.owner is Arm.SERVICE
    if back and accept_loss and losing.away(capability):
        return losing.give_up(capability, move, record)
    try:
        return _switch(capability, record)
    except RowsStay as stays:
        if back and losing.away(capability):
            raise RowsStay(f"{stays}. {losing.advice(capability.name)}") from stays
        raise


def _switch(capability: Capability, record: Record) -> Moved:
    done: list[Moved] = []
    refused: list[Exception] = []
    prepared: list[Prepared] = []

    def decide(decision: Decision) -> None:
        try:
            done.append(record(flip=prepared.append, within=lambda: lease.record(decision)))
        except _REFUSALS as error:
            refused.append(error)
            raise NotOurs(str(error)) from error
        except Exception as error:
            raise ControlAway(f"nobody knows whether it is decided: {error}") from error

    def publish() -> None:
        for one in prepared:
            flipped(one)

    lease = Leased(capability.name, decide=decide, publish=publish)
    with held(capability, lease) as ours:
        flow = ours.flow()
        switch = Switch(flow, lease)
        switch.settle()
        try:
            switch.perform()
        except SwitchRefused:
            if refused:
                raise refused[0] from None
            raise
        except (TransferError, ControlAway, NotOurs) as error:
            _log.error("%s: %s; repairing", capability.name, error)
            _mend(ours, error)
            if lease.decision().epoch == flow.epoch:
                raise RowsStay(f"{capability.name}: undone: {error}") from error
        _remember(capability.name, lease, switch.timings)
    if not done:
        raise ControlPlaneAway(
            f"the control plane's database went away during the commit. {capability.name}'s rows "
            "have changed owner, and all is repaired: see 'strangler status'"
        )
    return done[0]


def _mend(ours: Held, broken: Exception) -> None:
    """Go forward if it is decided, and back if it is not, if that can be done at once."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            ours.repair()
        except (TransferError, ControlAway, NotOurs) as error:
            if time.monotonic() > until:
                raise RowsTorn(
                    f"{ours.capability.name}: the switch broke off half done ({broken}): "
                    f"{error}. Commands wait until a mover has put it right: strangler transfer "
                    f"repair {ours.capability.name}"
                ) from error
            time.sleep(0.2)
        else:
            return


def _remember(name: str, lease: Leased, timings: Timings) -> None:
    rows = Transfer.objects.using(conf.settings().database).filter(pk=name)
    row = rows.get()
    said = {
        "epoch": lease.decision().epoch,
        "at": timezone.now().isoformat(),
        "freeze": timings.freeze,
        "drained": timings.drained,
        "steps": {str(action): seconds for action, seconds in timings.steps.items()},
    }
    rows.update(switches=[*row.switches, said][-KEPT:])
