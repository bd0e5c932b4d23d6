"""What is true in every state, and what always remains possible."""

from __future__ import annotations

from tests.strangler.transfer.model.state import COMMAND, State, writing

FENCED = "never two sides unfenced"
KEPT = "no acknowledged write lost"
DOUBLED = "none doubled"
NUMBERED = "no number twice"
DENIED = "never denied"
COMMITTED = "commit point respected"
MONOTONE = "epoch monotone"
CARRIED = "what is not dirty is there"
VERIFIED = "verified"
TOLD = "told in order"
TORN = "never torn"
STUCK = "never stuck"

HARM = frozenset({FENCED, KEPT, DOUBLED, NUMBERED, DENIED, TOLD, STUCK, TORN})
"""What a client or an operator would notice; the others are why it can't happen."""
ALL = HARM | {COMMITTED, MONOTONE, CARRIED, VERIFIED}


def broken(state: State) -> set[str]:
    """The invariants that this state breaks."""
    found = {state.broken} if state.broken else set()
    monolith, service = state.sides
    if not monolith.fenced and not service.fenced:
        found.add(FENCED)
    if not _kept(state):
        found.add(KEPT)
    for place, side in enumerate(state.sides):
        open_here = not side.fenced
        # The decision says who owns: nobody else is open, nobody knows of a later one.
        if (open_here and state.control.owner != place) or side.epoch > state.control.epoch:
            found.add(COMMITTED)
        if open_here and not writing(state, place) and not _carried(state, place):
            found.add(CARRIED)
    return found


def steps_back(before: State, after: State) -> set[str]:
    """The invariants that this one move breaks."""
    later = all(one.epoch <= two.epoch for one, two in zip(before.sides, after.sides, strict=True))
    return set() if later and before.control.epoch <= after.control.epoch else {MONOTONE}


def finished(state: State) -> bool:
    """Every command is answered, every row is where it belongs, and nothing is half done."""
    monolith, service = state.sides
    settled = (state.control.owner, state.control.epoch)
    return (
        all(one.phase == "done" for one in state.deliveries)
        and not any(one.phase == "wrote" for one in state.rogues)
        and not any(monolith.journal)
        and not any(service.journal)
        and (monolith.owner, monolith.epoch) == (service.owner, service.epoch) == settled
        and not monolith.frozen
        and not service.frozen
        and not state.sides[state.control.owner].fenced
        and state.table == state.control.owner
        and all(mover.door < 0 for mover in state.movers)
    )


def _kept(state: State) -> bool:
    rows = state.sides[state.control.owner].rows
    there = 0
    for row in rows:
        there |= row
    command = state.acknowledged & COMMAND
    # A command's key is a row of its own, and travels as its effect does.
    whole = not command or not state.deliveries or all(row & COMMAND for row in (rows[0], rows[-1]))
    return state.acknowledged & ~there == 0 and whole


def _carried(state: State, owner: int) -> bool:
    here, there = state.sides[owner], state.sides[1 - owner]
    return all(
        entries or row == other
        for entries, row, other in zip(here.journal, here.rows, there.rows, strict=True)
    )
