"""Putting right what a mover has left half done: back before the decision, forward after it."""

from __future__ import annotations

import logging
from contextlib import suppress

from strangler.ladder import Arm
from strangler.transfer import actions
from strangler.transfer.control import Control
from strangler.transfer.database import INSTALLING, Owner, Session
from strangler.transfer.errors import LockTimeout, TransferError
from strangler.transfer.protocol import Action, remaining

_log = logging.getLogger("strangler.transfer")


class NotInstalled(TransferError):
    """A side has no owner row: nothing was ever begun there, or somebody has taken it away."""


def repair(
    control: Control, *, monolith: Session, service: Session, token: int
) -> tuple[Action, ...]:
    """Make both sides agree with what was decided; says what that took, nothing if they did.

    Both are seized first: whatever the mover before us still has on its way comes too late. If one
    is out of reach, nothing has been done, and it may be tried again.

    Raises:
        DatabaseAway, LockTimeout: one of them is out of reach.
        ControlAway: so is the control database.
        NotInstalled: there is nothing to repair here.
        Superseded: another mover is already at it.
        Torn: no crash leaves what is found here.
    """
    sides = {Arm.MONOLITH: monolith, Arm.SERVICE: service}
    for arm, session in sides.items():
        if session.owner() is None:
            raise NotInstalled(f"the {arm}'s database has no owner row")
    rows = {arm: session.seize(token) for arm, session in sides.items()}
    now = control.decision()
    found = remaining(now, rows[Arm.MONOLITH], rows[Arm.SERVICE])
    new, old = sides[now.owner], sides[_other(now.owner)]
    for action in found:
        if action is Action.THAW:
            actions.thaw(new, token, now)
        elif action is Action.OPEN:
            actions.open_new(new, token, now)
        elif action is Action.PUBLISH:
            # Before anybody is carried to the new owner, who is to read there. Where it fails, no
            # command waits for it: it is tried again below, and whoever asked is told.
            with suppress(Exception):
                control.publish()
        elif action is Action.HAND_OVER:
            _tell_lost(old, rows[_other(now.owner)])
            actions.hand_over(old, token, now)
    # Also where nothing was left to do: the table may lag behind, and a stopped mover hold a door.
    control.publish()
    for session in sides.values():
        session.evict()
        with suppress(LockTimeout):  # a table is being vacuumed, so nothing keeps vacuums off it
            session.quieten(on=False)
    return found


def reinstall(
    control: Control, *, monolith: Session, service: Session, patience: float = INSTALLING
) -> list[str]:
    """Install again what is missing, and have every row go once more: nobody saw what was written.

    To be called by whoever holds the lease and has repaired. Says what is missing still.

    Raises:
        Unfit: a table can't have its triggers any more.
        NotOurs, ControlAway, DatabaseAway, LockTimeout: it may be tried again.
    """
    sides = (monolith, service)
    if not (lost := [one for session in sides for one in session.missing()]):
        return []
    control.begin_backfill()  # first: whoever finds the triggers in place asks no more
    now = control.decision()
    for session in sides:
        session.install(owner=now.owner, epoch=now.epoch, patience=patience)
    _log.error("installed again, and every row goes once more: %s", "; ".join(lost))
    return [one for session in sides for one in session.missing()]


def _tell_lost(old: Session, row: Owner) -> None:
    """A side that is not frozen was given up: what it wrote and nobody carried stays behind."""
    if not row.frozen and (lost := old.pending() + old.count_parked()):
        _log.error("the %s was given up; it wrote up to %s keys that stay behind", row.owner, lost)


def _other(arm: Arm) -> Arm:
    return Arm.SERVICE if arm is Arm.MONOLITH else Arm.MONOLITH
