"""Whoever writes: commands through the door, and those who do not use it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.strangler.transfer.model.rules import Rules
from tests.strangler.transfer.model.state import ARMS, COMMAND, State, Writer, on, shut

Move = tuple[str, State]
"""What somebody did, in words, and what came of it."""


def moves(state: State, rules: Rules) -> Iterator[Move]:
    """Everything that a writer can do next."""
    for index, one in enumerate(state.deliveries):
        if index and one == state.deliveries[index - 1]:
            continue  # the same as the one before
        yield from _command(state, rules, index, one)
    yield from _rogues(state, rules)
    for place, arm in enumerate(ARMS):
        if untold := state.sides[place].untold:
            yield f"the {arm}'s relay tells an event", on(state, place, untold=untold - 1)


def _command(state: State, rules: Rules, index: int, one: Writer) -> Iterator[Move]:
    where = ARMS[one.side] if one.side >= 0 else ""
    side = state.sides[one.side]
    if one.phase == "waiting":
        if side.frozen or shut(state, one.side):
            return
        if side.owner == one.side:
            yield f"a command enters at the {where}", _delivery(state, index, "inside", one.side)
        else:
            there = 1 - one.side
            yield (
                f"a command is carried from the {where}",
                _delivery(state, index, "waiting", there),
            )
    elif one.phase == "inside":
        if side.fenced:
            yield f"a command is denied at the {where}", state._replace(broken="never denied")
        elif side.rows[-1] & COMMAND:
            yield f"a command finds its key at the {where}", _delivery(state, index, "done", -1)
        elif not _row_locked(state, one.side, 0):
            yield (
                f"a command writes at the {where}",
                _delivery(_numbered(state, one.side), index, "wrote", one.side),
            )
    elif one.phase == "wrote":
        after = _committed(state, rules, one.side, (0, len(side.rows) - 1), COMMAND)
        yield f"a command commits at the {where}", _delivery(after, index, "done", -1)


def _rogues(state: State, rules: Rules) -> Iterator[Move]:
    begun = False
    for index, one in enumerate(state.rogues):
        bit, key = 2 << index, _key(state, index)
        if one.phase == "waiting" and not begun:
            begun = True  # they are alike: the first of them comes first
            for place, arm in enumerate(ARMS):
                # One who is denied has done nothing: the next state would be this one.
                if not state.sides[place].fenced and not _row_locked(state, place, key):
                    yield (
                        f"a rogue writes at the {arm}",
                        _rogue(_numbered(state, place), index, Writer("wrote", place)),
                    )
        elif one.phase == "wrote":
            after = _committed(state, rules, one.side, (key,), bit)
            yield (
                f"a rogue commits at the {ARMS[one.side]}",
                _rogue(after, index, Writer("done", -1)),
            )


def _key(state: State, rogue: int) -> int:
    keys = len(state.sides[0].rows) - bool(state.deliveries)
    return rogue % keys


def _row_locked(state: State, side: int, key: int) -> bool:
    command = any(one.phase == "wrote" and one.side == side for one in state.deliveries)
    return (command and key == 0) or any(
        one.phase == "wrote" and one.side == side and _key(state, index) == key
        for index, one in enumerate(state.rogues)
    )


def _numbered(state: State, side: int) -> State:
    """A number is given outside of any transaction."""
    number = state.sides[side].last + 1
    state = on(state, side, last=number)
    return (
        state._replace(broken="no number twice") if number <= state.sides[1 - side].last else state
    )


def _committed(state: State, rules: Rules, side: int, keys: tuple[int, ...], bit: int) -> State:
    there = state.sides[side]
    rows, journal = list(there.rows), list(there.journal)
    for key in keys:
        rows[key] |= bit
        travels = rules.keys_travel or len(keys) == 1 or key != keys[-1]
        if there.captures and travels:
            journal[key] += 1
    after = on(state, side, rows=tuple(rows), journal=tuple(journal))
    if state.speaks:
        after = on(after, side, untold=there.untold + 1)
        if state.sides[1 - side].untold:
            return after._replace(broken="told in order")
    if state.acknowledged & bit:
        return after._replace(broken="none doubled")
    return after._replace(acknowledged=state.acknowledged | bit)


def _delivery(state: State, index: int, phase: str, side: int) -> State:
    before = state.deliveries
    return state._replace(deliveries=(*before[:index], Writer(phase, side), *before[index + 1 :]))


def _rogue(state: State, index: int, writer: Writer) -> State:
    before = state.rogues
    return state._replace(rogues=(*before[:index], writer, *before[index + 1 :]))
