"""The lease of one capability, and its databases, while a move of the ladder needs them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from strangler.django import conf
from strangler.django.control_plane.errors import RowsStay
from strangler.django.control_plane.ledger import Flip, Moved
from strangler.django.models import Transfer
from strangler.django.transfer.lease import Leased
from strangler.django.transfer.places import Sides, sides
from strangler.gates import Verdict
from strangler.ladder import Arm
from strangler.manifest import Capability
from strangler.transfer import actions
from strangler.transfer.apply import Flow
from strangler.transfer.control import ControlAway, NotOurs
from strangler.transfer.database import Session
from strangler.transfer.errors import LockTimeout, TransferError
from strangler.transfer.pairing import pair
from strangler.transfer.protocol import Action, Decision, Torn
from strangler.transfer.repair import repair

ATTEMPTS = 5
PAUSE = 0.5
"""Seconds for which writers go on between two attempts to get a table's lock."""


class Record(Protocol):
    """Writes a move down, in one transaction."""

    def __call__(
        self,
        flip: Flip | None = None,
        within: Callable[[], None] | None = None,
        lost: Verdict | None = None,
    ) -> Moved:
        """``flip`` puts the table's flip off; ``within`` is part of the transaction.

        ``lost`` is what was accepted to be lost: it is forced then, and this is its evidence.
        """


@dataclass(slots=True)
class Alone:
    """The lease, and a session on the monolith's side: enough to end, or to do without the other.

    Its rows may be the service's to own: whoever uses this has to know what they do.
    """

    capability: Capability
    lease: Leased
    monolith: Session

    def end(self) -> None:
        """Rows flow no more. The service's side stays fenced: it owns nothing."""
        now = self.lease.decision()
        self.monolith.seize(self.lease.token)
        with self.monolith.step(token=self.lease.token, epoch=now.epoch) as step:
            step.capture(on=False, patience=actions.PATIENCE)
            step.empty_journal()


@dataclass(slots=True)
class Held:
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
            _patiently(partial(session.install, owner=now.owner, epoch=now.epoch))
        self.repair()  # a service that was out of reach may still think that it owns
        pair(self.there.maps, self.monolith, self.service)
        _patiently(partial(self._fence, now))
        _patiently(partial(self._capture, now))

    def _fence(self, now: Decision) -> None:
        with self.service.step(token=self.lease.token, epoch=now.epoch) as step:
            step.fence(up=True, patience=actions.PATIENCE)
            step.capture(on=False, patience=actions.PATIENCE)
            step.empty_journal()

    def _capture(self, now: Decision) -> None:
        with self.monolith.step(token=self.lease.token, epoch=now.epoch) as step:
            step.record(owner=now.owner, epoch=now.epoch, frozen=False)
            step.empty_journal()
            step.fence(up=False, patience=actions.PATIENCE)
            step.capture(on=True, patience=actions.PATIENCE)

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
        """Put right what was left half done."""
        return repair(
            self.lease, monolith=self.monolith, service=self.service, token=self.lease.token
        )

    def retire(self) -> None:
        """The monolith's tables stay fenced, and are set aside under another name."""
        now = self.lease.decision()
        self.service.seize(self.lease.token)
        self.monolith.seize(self.lease.token)
        with self.service.step(token=self.lease.token, epoch=now.epoch) as step:
            step.capture(on=False, patience=actions.PATIENCE)
            step.empty_journal()
        self.monolith.set_aside()


def _patiently(attempt: Callable[[], None]) -> None:
    """Try again where somebody holds a table: while we wait for it, writers wait for us.

    Raises:
        LockTimeout: somebody does every time.
    """
    for _ in range(ATTEMPTS - 1):
        with suppress(LockTimeout):
            return attempt()
        time.sleep(PAUSE)
    return attempt()


@contextmanager
def held(capability: Capability, lease: Leased | None = None) -> Iterator[Held]:
    """Hold the lease, and both databases.

    Raises:
        RowsStay: one of them is not to be had, or what was done with them failed.
    """
    lease = lease or Leased(capability.name)
    with _staying():
        there = sides(capability)
        with (
            closing(there.monolith.session()) as monolith,
            closing(there.service.session()) as service,
            _leased(lease),
        ):
            yield Held(capability, there, lease, monolith, service)


@contextmanager
def alone(capability: Capability, lease: Leased | None = None) -> Iterator[Alone]:
    """Hold the lease, and the monolith's database: the service's may be out of reach.

    Raises:
        RowsStay: as for ``held``.
    """
    lease = lease or Leased(capability.name)
    with _staying(), closing(sides(capability).monolith.session()) as monolith, _leased(lease):
        yield Alone(capability, lease, monolith)


@contextmanager
def _leased(lease: Leased) -> Iterator[None]:
    lease.take()
    try:
        yield
    finally:
        lease.release()


@contextmanager
def _staying() -> Iterator[None]:
    try:
        yield
    except (TransferError, NotOurs, ControlAway, Torn) as error:
        raise RowsStay(str(error)) from error
