"""What can be done before a switch, while nobody has to wait: little is left for the freeze.

What is dirty is carried, what is said is heard, and no long transaction or vacuum is in the way of
a lock. Afterwards the old owner is kept quiet, until the switch has been performed, or rehearsed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from strangler.transfer.apply import Flow
from strangler.transfer.control import Control
from strangler.transfer.database import Session
from strangler.transfer.errors import SwitchRefused
from strangler.transfer.pairing import changed
from strangler.transfer.untold import FOR, PARKED, waiting

SETTLED = 2000
"""Dirty keys at most, when a freeze begins."""
TELLING = 100
"""Events on their way at most, likewise."""
PATIENCE = 30.0
"""Seconds that settling may take."""
_PAUSE = 0.05
_CALM = 1.0
"""Seconds in which to carry what is dirty still, once it is little enough."""

Heard = Callable[[str], bool]
"""Is anybody there who brings this consumer its events?"""


def settle(
    flow: Flow, control: Control, *, heard: Heard = lambda _: True, patience: float = PATIENCE
) -> None:
    """Carry what is dirty, and clear the way.

    Args:
        flow: from the owner to whoever is next.
        control: has the lease, and renews it.
        heard: see there.
        patience: seconds.

    Raises:
        SwitchRefused: keys are parked, or it can't be cleared; says what stands in it.
    """
    old = flow.source
    until = time.monotonic() + patience
    _catch_up(flow, control, until)
    refuse_parked(old)
    altered = changed(flow.pairing, *flow.sessions)
    if missing := [*altered, *old.missing(), *flow.target.missing()]:
        raise SwitchRefused(f"something is not in place: {'; '.join(missing)}")
    _hear_out(flow, control, until, heard)
    old.quieten(on=True)
    try:
        _clear(flow, control, until)
    except BaseException:
        old.quieten(on=False)
        raise


def refuse_parked(source: Session) -> None:
    """No row may be left behind.

    Raises:
        SwitchRefused: some are; names the first.
    """
    if count := source.count_parked():
        first = source.parked(1)[0]
        raise SwitchRefused(
            f"{count} rows are parked, the first is {first.table} {first.key}: {first.reason}"
        )


def _catch_up(flow: Flow, control: Control, until: float) -> None:
    """Carry until little is dirty; with writers at work, nothing at all would be luck."""
    calm = 0.0
    while True:
        control.renew()
        carried = flow.batch().entries
        dirty, now = flow.source.pending(), time.monotonic()
        if dirty <= SETTLED:
            calm = calm or now + _CALM
            if not (dirty and carried) or now > calm:
                return
        elif now > until:
            raise SwitchRefused(
                f"{dirty} keys are dirty, and writers are faster than we are: at most "
                f"{SETTLED} may be when a freeze begins"
            )


def _hear_out(flow: Flow, control: Control, until: float, heard: Heard) -> None:
    """Wait until little is on its way to whoever listens."""
    while untold := flow.source.untold():
        _refuse_unread(untold, heard)
        if PARKED not in untold and sum(untold.values()) <= TELLING:
            return
        if PARKED in untold or time.monotonic() > until:
            raise SwitchRefused(waiting(untold))
        control.renew()
        flow.batch()
        time.sleep(_PAUSE)


def _refuse_unread(untold: Mapping[str, int], heard: Heard) -> None:
    for what, count in untold.items():
        consumer = what.removeprefix(FOR)
        if what.startswith(FOR) and not heard(consumer):
            raise SwitchRefused(
                f"{count} events wait for {consumer} in the http bus's queue, and nobody "
                "brings them there any more: `strangler events status` says why, and "
                f"`strangler events drop --consumer {consumer}` gives them up"
            )


def _clear(flow: Flow, control: Control, until: float) -> None:
    while hinders := flow.source.hinders():
        control.renew()
        if time.monotonic() > until:
            raise SwitchRefused(f"writers could not be held up for: {'; '.join(hinders)}")
        flow.batch()
        time.sleep(_PAUSE)
