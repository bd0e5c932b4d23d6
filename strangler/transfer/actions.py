"""What a switch and a repair do to one side: each is one transaction, which token and epoch guard.

Each may be done again by whoever finds it half done.
"""

from __future__ import annotations

from strangler.transfer.database import Session, Step
from strangler.transfer.protocol import Decision

PATIENCE = 2.0
"""Seconds to wait for a lock where nobody can be writing."""


def open_new(session: Session, token: int, now: Decision) -> None:
    """Let the new owner take writes, which are captured from the first one on.

    Raises:
        Superseded, LockTimeout, DatabaseAway: it has not been done, or nobody knows.
    """
    with session.step(token=token, epoch=now.epoch - 1) as step:
        opening(step, now)


def opening(step: Step, now: Decision) -> None:
    """The same, within a transaction."""
    step.capture(on=True, patience=PATIENCE)
    step.record(owner=now.owner, epoch=now.epoch, frozen=False)
    step.fence(up=False, patience=PATIENCE)


def hand_over(session: Session, token: int, now: Decision) -> None:
    """Let the old owner know that it is none any more; its fence stays up.

    Its journal was drained before the decision; where it was given up instead, it is emptied.

    Raises:
        Superseded, LockTimeout, DatabaseAway: as for ``open_new``.
    """
    with session.step(token=token, epoch=now.epoch - 1) as step:
        handing(step, now)
        step.empty_journal()


def handing(step: Step, now: Decision) -> None:
    """The same, within a transaction, but for the journal."""
    step.record(owner=now.owner, epoch=now.epoch, frozen=False)
    step.fence(up=True, patience=PATIENCE)
    step.capture(on=False, patience=PATIENCE)


def thaw(session: Session, token: int, now: Decision) -> None:
    """Undo a freeze: the owner goes on.

    Raises:
        Superseded, LockTimeout, DatabaseAway: as for ``open_new``.
    """
    with session.step(token=token, epoch=now.epoch) as step:
        step.record(owner=now.owner, epoch=now.epoch, frozen=False)
        step.fence(up=False, patience=PATIENCE)
