"""A mover dies, or is stopped, at each place of the protocol's table; another one puts it right.

Nobody else writes here, so that every place can be had; the storm has writers.
"""

from __future__ import annotations

import os
import signal
from contextlib import closing, nullcontext, suppress

import pytest

from strangler.ladder import Arm
from strangler.transfer.errors import LockTimeout
from strangler.transfer.protocol import STEPS, Action, Decision
from tests.chaos import cast, checker, notes
from tests.chaos.campaign import Campaign
from tests.chaos.conftest import CHAOS
from tests.chaos.faults import Blow, Fault, Moment, faults
from tests.chaos.side import Fenced
from tests.chaos.world import World, mend

DECIDING = [step.action for step in STEPS].index(Action.DECIDE)
QUIET = {"lease": 0.05, "quiet": True}
# What comes after one action comes before the next: the bounded form leaves it out.
MOMENTS = list(Moment) if CHAOS else [Moment.BEFORE, Moment.WITHIN]
BLOWS = [Blow.KILL, Blow.STOP] if CHAOS else [Blow.KILL]
# Nor does it undo from everywhere.
FAULTS = [
    fault
    for fault in faults(*BLOWS, moments=MOMENTS)
    if CHAOS or fault.refused in {None, Action.DECIDE}
]


@pytest.mark.parametrize("world", [QUIET], indirect=True, ids=[""])
def test_whoever_dies_at_any_step_is_made_good(world: World):
    with Campaign.of(world) as campaign:
        for fault in FAULTS:
            before = world.desk.decision()
            _struck(campaign, world, fault)
            mend(world)
            _sound(world, fault, before)
    struck = [line["struck"] for line in notes.read(cast.switches(world)) if "struck" in line]
    assert struck == [str(fault) for fault in FAULTS]
    _all_there(world)


@pytest.mark.parametrize("world", [QUIET], indirect=True, ids=[""])
@pytest.mark.parametrize("blow", BLOWS)
def test_whoever_dies_while_repairing_is_made_good(world: World, blow: Blow):
    """At each call that a repair makes, of whatever is left at each step."""
    steps = STEPS if CHAOS else STEPS[1::4]
    with Campaign.of(world) as campaign:
        for step in steps:
            number, done = 0, False
            while not done:
                fault = Fault(Blow.KILL, Moment.BEFORE, step.action)
                before = world.desk.decision()
                _struck(campaign, world, fault)
                mending = campaign.start("mender", cast.mender, number, blow)
                stopped = campaign.ended_or_stopped(mending)
                if stopped:
                    # On SQLite nobody passes whoever is stopped while it writes.
                    with suppress(LockTimeout) if world.kind == "sqlite" else nullcontext():
                        mend(world)
                    assert mending.pid is not None
                    os.kill(mending.pid, signal.SIGCONT)
                    mending.join()
                done = not stopped and mending.exitcode == 0
                mend(world)
                _sound(world, fault, before)
                number += 1 if CHAOS else 3
    _all_there(world)


def _struck(campaign: Campaign, world: World, fault: Fault) -> None:
    process = campaign.start("switch", cast.switch, fault)
    if campaign.ended_or_stopped(process):
        if fault.moment is not Moment.WITHIN:  # there it holds what a repair has to wait for
            mend(world)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGCONT)
        process.join()


def _sound(world: World, fault: Fault, before: Decision) -> None:
    """One side owns, and only that one takes writes; forward from the decision on, else back."""
    assert world.settled(), fault
    now = world.desk.decision()
    assert now.epoch in {before.epoch, before.epoch + 1}, fault
    actions = [step.action for step in STEPS]
    if fault.refused is None and fault.blow is Blow.KILL:
        place = actions.index(fault.action) + (fault.moment is Moment.AFTER)
        assert (now.epoch > before.epoch) == (place > DECIDING), fault
    for arm in Arm:
        with closing(world.side(arm)) as side:
            assert _takes_writes(side) == (arm is now.owner), (fault, arm)


def _takes_writes(side: object) -> bool:
    side.run(side.begin)  # type: ignore[attr-defined]
    try:
        side.add_entry("nobody", 0, "")  # type: ignore[attr-defined]
    except Fenced:
        return False
    finally:
        side.run("ROLLBACK")  # type: ignore[attr-defined]
    return True


def _all_there(world: World) -> None:
    """Each straggler wrote once, by its token; every row is on both sides."""
    checker.drain(world)
    rows = []
    for arm in Arm:
        with closing(world.side(arm)) as side:
            rows.append(sorted(side.entries()))
    assert rows[0] == rows[1]
    seqs = [seq for _, seq, _, _ in rows[0]]
    assert len(seqs) == len(set(seqs)) > 0
    assert checker.check(world, [], []).apart == []
