"""Whoever carries rows: claim, lock the target's key, read the source, commit there and here."""

from __future__ import annotations

from collections.abc import Iterator

from tests.strangler.transfer.model.rules import Rules
from tests.strangler.transfer.model.state import ARMS, Applier, State, on
from tests.strangler.transfer.model.writers import Move


def moves(state: State, rules: Rules, awake: set[int]) -> Iterator[Move]:
    """Everything that an applier can do next, of the movers that are not stopped for ever."""
    idle = True
    for index, one in enumerate(state.appliers):
        if one is not None:
            if one.token in awake or state.wakes:
                yield from _next(state, rules, index, one)
        elif idle:
            idle = False  # they are alike
            yield from _claims(state, index, awake)


def dies(state: State, tokens: set[int]) -> Iterator[Move]:
    """Its transactions are undone, as far as they are not committed; also by a database's timeout.

    Args:
        state: before.
        tokens: of whose appliers.
    """
    for index, one in enumerate(state.appliers):
        if one is not None and one.token in tokens:
            yield f"an applier of mover {one.token} dies, {one.phase}", _put(state, index, None)


def cut(state: State) -> Iterator[Move]:
    """It loses the source's transaction, and with it the claim; the target's goes on."""
    for index, one in enumerate(state.appliers):
        if one is not None and one.claim and one.phase != "applied":
            after = _put(state, index, one._replace(claim=False))
            yield (
                f"an applier of mover {one.token} loses its claim",
                after._replace(cuts=state.cuts - 1),
            )


def _claims(state: State, index: int, awake: set[int]) -> Iterator[Move]:
    for mover in state.movers:
        if mover.mode == "seizing" or mover.token not in awake:
            continue
        for source, side in enumerate(state.sides):
            if side.owner != source:
                continue
            for key, entries in enumerate(side.journal):
                taken = sum(
                    one is not None and one.claim and (one.source, one.key) == (source, key)
                    for one in state.appliers
                )
                if entries > taken:
                    claim = Applier("claimed", key, source, mover.token, side.epoch)
                    yield (
                        f"mover {mover.token} claims key {key} at the {ARMS[source]}",
                        _put(state, index, claim),
                    )


def _next(state: State, rules: Rules, index: int, one: Applier) -> Iterator[Move]:
    target = 1 - one.source
    who = f"mover {one.token}'s applier of key {one.key}"
    if one.phase == "claimed" and not rules.locks_before_reading and not one.value:
        value = state.sides[one.source].rows[one.key]  # never 0: the key is dirty
        yield f"{who} reads too early", _put(state, index, one._replace(value=value))
    elif one.phase == "claimed":
        there = state.sides[target]
        ours = (there.owner, there.epoch, there.token) == (one.source, one.epoch, one.token)
        if rules.appliers_check and not ours:
            after = _put(state, index, None)
            if there.token != one.token:  # so its mover gives up, whatever it was at
                rest = (mover for mover in state.movers if mover.token != one.token)
                after = after._replace(movers=tuple(rest))
            yield f"{who} is superseded", after
        elif not any(
            other is not None
            and (other.source, other.key) == (one.source, one.key)
            and other.phase in {"locked", "read"}
            for other in state.appliers
        ):
            yield (
                f"{who} locks it at the {ARMS[target]}",
                _put(state, index, one._replace(phase="locked")),
            )
    elif one.phase == "locked":
        value = one.value or state.sides[one.source].rows[one.key]
        yield f"{who} reads", _put(state, index, one._replace(phase="read", value=value))
    elif one.phase == "read":
        # Nobody sees what is written before it is committed: the two are one move.
        rows = list(state.sides[target].rows)
        rows[one.key] = one.value
        after = on(state, target, rows=tuple(rows))
        done = one._replace(phase="applied", value=0)
        yield f"{who} commits at the {ARMS[target]}", _put(after, index, done)
    elif not one.claim:
        yield f"{who} can't commit at the {ARMS[one.source]}", _put(state, index, None)
    else:
        journal = list(state.sides[one.source].journal)
        journal[one.key] -= 1
        after = on(state, one.source, journal=tuple(journal))
        yield f"{who} commits at the {ARMS[one.source]}", _put(after, index, None)


def _put(state: State, index: int, one: Applier | None) -> State:
    before = state.appliers
    return state._replace(appliers=(*before[:index], one, *before[index + 1 :]))
