"""Coming back without the service's database: what only that has is lost, explicitly.

The order is that of a switch, without its drain: decided and recorded first, then the monolith's
side is opened. Once the service's database is in reach again, the mover's first act is a repair,
which finds its owner row behind the decision: it is fenced, and its journal is emptied. Then every
row is carried to it again.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime

from strangler.django import conf
from strangler.django.control_plane.errors import RowsStay, RowsTorn
from strangler.django.control_plane.ledger import Moved, flipped
from strangler.django.models import Transfer
from strangler.django.transfer import clock
from strangler.django.transfer.holding import Alone, Record, alone
from strangler.django.transfer.lease import Leased
from strangler.django.transfer.places import sides
from strangler.gates import Outcome, Verdict, duration
from strangler.ladder import Arm, Gate, Move, Stage
from strangler.manifest import Capability
from strangler.routing.publish import Prepared
from strangler.transfer import actions
from strangler.transfer.control import ControlAway, NotOurs
from strangler.transfer.errors import DatabaseAway, TransferError
from strangler.transfer.protocol import Action, Decision, Torn

PATIENCE = 15.0
"""Seconds in which the monolith's side is opened, once that is decided."""

_log = logging.getLogger("strangler.transfer")


@dataclass(frozen=True, slots=True)
class Risk:
    """What the service had written and nobody had carried, when its mover last said so."""

    keys: int | None
    """None where no mover has said anything since the service owns."""
    age: float = 0.0

    def __str__(self) -> str:
        if self.keys is None:
            return "nobody knows how many keys have not come back: no mover has said since"
        return (
            f"{self.keys} keys had not come back when the mover last said so, "
            f"{duration(self.age)} ago; what was written since is not counted"
        )


def away(capability: Capability) -> bool:
    """Is the service's database out of reach?"""
    try:
        sides(capability).service.session().close()
    except DatabaseAway:
        return True
    except TransferError:
        return False
    return False


def risk(name: str) -> Risk:
    """The keys that only the service's database may have."""
    row = Transfer.objects.using(conf.settings().database).filter(pk=name).first()
    if row is None or row.reported is None:
        return Risk(None)
    if row.switches and row.reported < datetime.fromisoformat(row.switches[-1]["at"]):
        return Risk(None)  # that was about the way there
    age = max(0.0, clock.age(name, row.reported))
    return Risk(row.report["pending"] + row.report["parked"], age)


def advice(name: str) -> str:
    """What to do where a rollback was refused because the service's database is away."""
    return (
        f"{name}'s own database is out of reach, and its keys are at risk: {risk(name)}. Bring it "
        f"back; or lose them: strangler rollback {name} --accept-loss --reason '…'"
    )


def give_up(capability: Capability, move: Move, record: Record) -> Moved:
    """Let the monolith own the rows again, as they are there.

    Raises:
        RowsStay: the monolith's database is out of reach, too, or the target is a canary.
        RowsTorn: it is decided, and the monolith's side could not be opened.
        ControlError, PublishFailed: as ``record`` does.
    """
    name = capability.name
    if move.after.stage is Stage.CANARY:
        raise RowsStay(
            f"{name}: its service lacks rows, and has to be filled anew before clients see it: "
            "--to shadow, or lower"
        )
    lost = risk(name)
    evidence = Verdict(
        gate=Gate.IN_STEP,
        outcome=Outcome.FAILED,
        message=f"the service's database was given up: {lost}",
        value=lost.keys or 0,
        threshold=0,
        samples=0,
    )
    prepared: list[Prepared] = []
    lease = Leased(name)
    with alone(capability, lease) as held:
        now = lease.decision()
        _catch_up(held, now)
        after = Decision(Arm.MONOLITH, now.epoch + 1)

        def within() -> None:
            lease.record(after)
            rows = Transfer.objects.using(conf.settings().database).filter(pk=name)
            rows.update(backfilled=False, verified={})

        moved = record(flip=prepared.append, within=within, lost=evidence)
        _open(held, after)
        for one in prepared:
            flipped(one)
    return moved


def mend(capability: Capability) -> tuple[Action, ...]:
    """Make up for the end of ``give_up``, or of a freeze, without the service's database.

    Raises:
        RowsStay: the service owns the rows, or the monolith's database is out of reach.
    """
    with alone(capability) as held:
        now = held.lease.decision()
        if now.owner is Arm.SERVICE:
            raise RowsStay(
                f"the service owns {capability.name}'s rows: strangler rollback "
                f"{capability.name} --accept-loss"
            )
        row = held.monolith.seize(held.lease.token)
        done: tuple[Action, ...] = ()
        if (row.owner, row.epoch) == (Arm.SERVICE, now.epoch - 1):
            _take(held, now)
            done = (Action.OPEN,)
        elif (row.owner, row.epoch) != (now.owner, now.epoch):
            raise Torn(
                f"the control database says epoch {now.epoch}; the monolith's owner row says "
                f"the {row.owner} since {row.epoch}"
            )
        elif row.frozen:
            actions.thaw(held.monolith, held.lease.token, now)
            done = (Action.THAW,)
        held.lease.publish()
        held.monolith.evict()
        return done


def _catch_up(held: Alone, now: Decision) -> None:
    """Let the monolith's side know what was decided last, if its mover did not come so far."""
    row = held.monolith.seize(held.lease.token)
    if (row.owner, row.epoch) == (Arm.MONOLITH, now.epoch - 1):
        actions.hand_over(held.monolith, held.lease.token, now)


def _take(held: Alone, now: Decision) -> None:
    """Let the monolith's side own: it has rows by now that it has not numbered itself."""
    with held.monolith.step(token=held.lease.token, epoch=now.epoch - 1) as step:
        step.number_past_rows()
    actions.open_new(held.monolith, held.lease.token, now)


def _open(held: Alone, now: Decision) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            _take(held, now)
        except (TransferError, ControlAway, NotOurs) as error:
            if time.monotonic() > until:
                name = held.capability.name
                raise RowsTorn(
                    f"{name}: it is decided that the monolith owns, and its side could not be "
                    f"opened: {error}. Commands wait: strangler transfer repair {name} "
                    "--accept-loss"
                ) from error
            _log.warning("%s: %s; again", held.capability.name, error)
            time.sleep(0.2)
        else:
            held.monolith.evict()
            return
