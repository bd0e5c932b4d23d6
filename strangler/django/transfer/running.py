"""The mover's process: a thread for each capability whose rows may flow, and one that verifies."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from django.db import Error, connections

from strangler.django import conf, tables
from strangler.django.control_plane.errors import ControlError
from strangler.django.models import Transfer
from strangler.django.transfer import verifying
from strangler.django.transfer.judging import flowing
from strangler.django.transfer.lease import Leased
from strangler.django.transfer.places import sides
from strangler.manifest import Capability
from strangler.transfer.control import ControlAway
from strangler.transfer.errors import Unfit
from strangler.transfer.gate import FRESH
from strangler.transfer.mover import Mover
from strangler.transfer.settle import SETTLED

_PAUSE = 0.5
"""Seconds between two looks for something to verify."""
_TROUBLED = 5.0

_log = logging.getLogger("strangler.mover")


def movable() -> list[Capability]:
    """The capabilities whose rows may flow: they have tables, and a map of them."""
    known = conf.manifest().capabilities.values()
    return [one for one in known if one.transfer is not None and tables.has_tables(one)]


def ready() -> tuple[list[Capability], list[str]]:
    """Those of them whose databases are named here; and why the others can't be carried."""
    known, problems = [], []
    for one in movable():
        try:
            sides(one)
        except Unfit as unfit:
            problems += [f"{one.name} is not carried: {problem}" for problem in unfit.problems]
        else:
            known.append(one)
    return known, problems


def run(capabilities: Sequence[Capability], stop: threading.Event) -> None:
    """Carry until told to stop, and verify once whatever has changed owner.

    Raises:
        Unfit: the manifest or the environment does not say where databases are, or how rows map.
    """
    movers = [_mover(one) for one in capabilities]
    threads = [threading.Thread(target=mover.run, args=(stop,)) for mover in movers]
    threads += [threading.Thread(target=_verify, args=(one, stop)) for one in capabilities]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _mover(capability: Capability) -> Mover:
    there = sides(capability)
    lease = Leased(capability.name)
    return Mover(
        capability.name,
        there.maps,
        monolith=there.monolith,
        service=there.service,
        control=lease,
        installed=lease.installed,
    )


def _verify(capability: Capability, stop: threading.Event) -> None:
    """Verify whenever nobody has since the owner last changed."""
    while not stop.wait(_PAUSE):
        try:
            if _due(capability):
                found = verifying.verify(capability)
                if found.findings:
                    _log.error("%s: %s rows differ", capability.name, len(found.findings))
        except (ControlError, ControlAway, Error, Unfit) as error:
            _log.error("%s: not verified: %s", capability.name, error)
            connections[conf.settings().database].close()
            stop.wait(_TROUBLED)


def _due(capability: Capability) -> bool:
    """Are all rows there, and has nobody compared them yet under this owner?"""
    row = Transfer.objects.using(conf.settings().database).filter(pk=capability.name).first()
    if row is None or not row.backfilled or row.verified.get("epoch") == row.epoch:
        return False
    seen = flowing(row)
    settled = seen.age is not None and seen.age < FRESH and seen.pending <= SETTLED
    return settled and Leased(capability.name).installed()
