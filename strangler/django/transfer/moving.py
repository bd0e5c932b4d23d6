"""What a move of the ladder does to rows: they begin to flow, change owner, stop, or are retired.

Whoever moves holds the lease meanwhile: a running mover lets go of it for a moment, and where none
runs, as in development, this process does its work.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Protocol

from django.utils import timezone

from strangler.django import conf
from strangler.django.control_plane.errors import ControlError, RowsStay, RowsTorn
from strangler.django.control_plane.ledger import Flip, Moved, flipped
from strangler.django.models import Transfer
from strangler.django.transfer.lease import Leased
from strangler.django.transfer.places import Sides, sides
from strangler.ladder import Arm, Move, Stage
from strangler.manifest import Capability
from strangler.routing.publish import Prepared, PublishFailed
from strangler.transfer import actions
from strangler.transfer.apply import Flow
from strangler.transfer.control import ControlAway, NotOurs
from strangler.transfer.database import Session, TransferError
from strangler.transfer.pairing import pair
from strangler.transfer.protocol import Action, Decision, Torn
from strangler.transfer.repair import repair
from strangler.transfer.switch import Switch, SwitchRefused, Timings

PATIENCE = 15.0
"""Seconds in which a switch that broke off is repaired at once."""
KEPT = 20
"""Switches whose timings are remembered."""

_log = logging.getLogger("strangler.transfer")


class Record(Protocol):
    """Writes the move down, in one transaction."""

    def __call__(self, flip: Flip | None = None, within: Callable[[], None] | None = None) -> Moved:
        """``flip`` puts the table's flip off; ``within`` is part of the transaction."""


def perform(members: Sequence[Capability], move: Move, record: Record) -> Moved:
    """Make a move of a capability with tables.

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
        with _held(capability) as held:
            held.begin()
            return record(within=held.begun)
    if before.owner is not after.owner:
        moved = _switch(capability, record)
    elif after.stage in {Stage.MONOLITH, Stage.RETIRED}:
        with _held(capability) as held:
            moved = record()
    else:
        return record()
    if after.stage is Stage.MONOLITH:
        with _held(capability) as held:
            held.end()
    elif after.stage is Stage.RETIRED:
        with _held(capability) as held:
            held.retire()
    return moved


def dry_run(capability: Capability) -> Timings:
    """What a switch would take now, as ``Switch.rehearse`` measures it.

    Raises:
        RowsStay: it could not be begun; says why.
    """
    with _held(capability) as held:
        switch = Switch(held.flow(), held.lease)
        switch.settle()
        return switch.rehearse()


def mend(capability: Capability) -> tuple[Action, ...]:
    """Repair what a mover has left half done.

    Raises:
        RowsStay: one of the databases is out of reach, or there is nothing to repair.
    """
    with _held(capability) as held:
        return held.repair()


@dataclass(slots=True)
class _Held:
    """The lease, and a session on each side."""

    capability: Capability
    there: Sides
    lease: Leased
    monolith: Session
    service: Session

    def begin(self) -> None:
        """Make both sides ready, fence the service's, and let the monolith's journal fill."""
        now = self.lease.decision()
        for session in (self.monolith, self.service):
            session.install(owner=now.owner, epoch=now.epoch)
            session.seize(self.lease.token)
        pair(self.there.maps, self.monolith, self.service)
        token, patience = self.lease.token, actions.PATIENCE
        with self.service.step(token=token, epoch=now.epoch) as step:
            step.fence(up=True, patience=patience)
            step.capture(on=False, patience=patience)
            step.empty_journal()
        with self.monolith.step(token=token, epoch=now.epoch) as step:
            step.record(owner=now.owner, epoch=now.epoch, frozen=False)
            step.empty_journal()
            step.fence(up=False, patience=patience)
            step.capture(on=True, patience=patience)

    def begun(self) -> None:
        """Within the transaction that writes the move down: the backfill is still to be done."""
        rows = Transfer.objects.using(conf.settings().database).filter(pk=self.capability.name)
        rows.update(backfilled=False, verified={}, report={}, reported=None)

    def flow(self) -> Flow:
        """The rows' way, from whoever owns them, once nothing is half done."""
        self.repair()
        now = self.lease.decision()
        pairing = pair(self.there.maps, self.monolith, self.service)
        source, target = self.monolith, self.service
        if now.owner is Arm.SERVICE:
            source, target = target, source
        return Flow(pairing, source, target, now.owner, self.lease.token, now.epoch)

    def repair(self) -> tuple[Action, ...]:
        return repair(
            self.lease, monolith=self.monolith, service=self.service, token=self.lease.token
        )

    def end(self) -> None:
        """Rows flow no more. The service's side stays fenced: it owns nothing."""
        now = self.lease.decision()
        self.monolith.seize(self.lease.token)
        with self.monolith.step(token=self.lease.token, epoch=now.epoch) as step:
            step.capture(on=False, patience=actions.PATIENCE)
            step.empty_journal()

    def retire(self) -> None:
        """The monolith's tables stay fenced, and are set aside under another name."""
        now = self.lease.decision()
        self.service.seize(self.lease.token)
        self.monolith.seize(self.lease.token)
        with self.service.step(token=self.lease.token, epoch=now.epoch) as step:
            step.capture(on=False, patience=actions.PATIENCE)
            step.empty_journal()
        self.monolith.set_aside()


@contextmanager
def _held(capability: Capability, lease: Leased | None = None) -> Iterator[_Held]:
    lease = lease or Leased(capability.name)
    try:
        there = sides(capability)
        with (
            closing(there.monolith.session()) as monolith,
            closing(there.service.session()) as service,
        ):
            lease.take()
            try:
                yield _Held(capability, there, lease, monolith, service)
            finally:
                lease.release()
    except (TransferError, NotOurs, ControlAway, Torn) as error:
        raise RowsStay(str(error)) from error


def _switch(capability: Capability, record: Record) -> Moved:
    done: list[Moved] = []
    prepared: list[Prepared] = []

    def decide(decision: Decision) -> None:
        done.append(record(flip=prepared.append, within=lambda: lease.record(decision)))

    def publish() -> None:
        for one in prepared:
            flipped(one)

    lease = Leased(capability.name, decide=decide, publish=publish)
    with _held(capability, lease) as held:
        switch = Switch(held.flow(), lease)
        switch.settle()
        try:
            switch.perform()
        except SwitchRefused:
            raise
        except (TransferError, ControlAway, ControlError, PublishFailed, NotOurs) as error:
            if not done:
                raise
            _log.error("%s: %s; repairing", capability.name, error)
            _mend(held, error)
        _remember(capability.name, lease, switch.timings)
    return done[0]


def _mend(held: _Held, broken: Exception) -> None:
    """The rows are decided to be the new owner's: go forward, if that can be done at once."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            held.repair()
        except (TransferError, ControlAway, NotOurs) as error:
            if time.monotonic() > until:
                raise RowsTorn(
                    f"{held.capability.name}: the switch is decided, and broke off ({broken}): "
                    f"{error}. Commands wait until a mover has put it right: strangler transfer "
                    f"repair {held.capability.name}"
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
