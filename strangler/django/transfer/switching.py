"""A move that makes rows change owner: the switch, and the move's own record as its decision."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

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
from strangler.django.transfer import clock
from strangler.django.transfer.budget import budget
from strangler.django.transfer.holding import Held, Record, held
from strangler.django.transfer.lease import Leased
from strangler.events.unread import heard
from strangler.ladder import IllegalMove
from strangler.manifest import Capability
from strangler.routing.publish import Prepared, PublishFailed
from strangler.transfer.control import ControlAway, NotOurs
from strangler.transfer.errors import SwitchRefused, TransferError
from strangler.transfer.protocol import Decision
from strangler.transfer.settle import settle
from strangler.transfer.switch import Switch, Timings

PATIENCE = 15.0
"""Seconds in which a switch that broke off is repaired at once."""
KEPT = 20
"""Switches whose timings are remembered."""

_REFUSALS = (MoveRefused, RevisionConflict, TableAhead, PublishFailed, IllegalMove, NotOurs)
"""After each of these it is certain that the move was not written down."""

_log = logging.getLogger("strangler.transfer")


def switch(capability: Capability, record: Record) -> Moved:
    """Let the rows change owner; ``record`` is the decision.

    Raises:
        RowsStay: it was undone, and the owner goes on.
        RowsTorn: it broke off, and could not be repaired at once.
        ControlError, PublishFailed: as ``record`` does; then too, nothing has changed.
        ControlPlaneAway: it is done, and what was recorded has to be looked up.
    """
    return _Change(capability, record).perform()


def hearing(capability: Capability) -> Callable[[str], bool]:
    """Whether anybody brings a consumer what this capability says, for a ``Switch``."""
    return partial(heard, speaker=capability.name, manifest=conf.manifest())


class _Change:
    """One change of owner, with what became of its record."""

    def __init__(self, capability: Capability, record: Record) -> None:
        self._name = capability.name
        self._capability = capability
        self._record = record
        self._lease = Leased(capability.name, decide=self._decide, publish=self._publish)
        self._moved: Moved | None = None
        self._refused: Exception | None = None
        self._prepared: list[Prepared] = []

    def perform(self) -> Moved:
        with held(self._capability, self._lease) as ours:
            flow = ours.flow()
            settle(flow, self._lease, heard=hearing(self._capability))
            under_way = Switch(flow, self._lease, budget=budget(self._capability))
            try:
                under_way.perform()
            except SwitchRefused:
                if self._refused is not None:
                    raise self._refused from None
                raise
            except (TransferError, ControlAway, NotOurs) as error:
                _log.error("%s: %s; repairing", self._name, error)
                _mend(ours, error)
                if self._lease.decision().epoch == flow.epoch:
                    raise RowsStay(f"{self._name}: undone: {error}") from error
            _remember(self._name, self._lease, under_way.timings)
        if self._moved is None:
            raise ControlPlaneAway(
                "the control plane's database went away during the commit. "
                f"{self._name}'s rows have changed owner, and all is repaired: see 'strangler "
                "status'"
            )
        return self._moved

    def _decide(self, decision: Decision) -> None:
        try:
            self._moved = self._record(
                flip=self._prepared.append, within=lambda: self._lease.record(decision)
            )
        except _REFUSALS as error:
            self._refused = error
            raise NotOurs(str(error)) from error
        except Exception as error:
            raise ControlAway(f"nobody knows whether it is decided: {error}") from error

    def _publish(self) -> None:
        for one in self._prepared:
            flipped(one)


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
        "at": clock.now(name).isoformat(),
        "freeze": timings.freeze,
        "drained": timings.drained,
        "steps": {str(action): seconds for action, seconds in timings.steps.items()},
    }
    rows.update(switches=[*row.switches, said][-KEPT:])
