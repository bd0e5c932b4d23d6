"""Every interleaving within bounds, breadth first: what is found is found the shortest way."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.strangler.transfer.model import appliers, invariants, movers, writers
from tests.strangler.transfer.model.rules import Rules
from tests.strangler.transfer.model.state import Bounds, State, canonical, initial
from tests.strangler.transfer.model.writers import Move


class Next(NamedTuple):
    """One move, and whether it is somebody's work: faults and whoever is stopped are not."""

    said: str
    state: State
    works: bool


def following(state: State, rules: Rules) -> Iterator[Next]:
    """Every move that can come next, whoever makes it."""
    for said, after in _work(state, rules):
        yield Next(said, after, works=True)
    for said, after in _faults(state, rules):
        yield Next(said, after, works=False)


def _work(state: State, rules: Rules) -> Iterator[Move]:
    newest = _newest(state)
    awake = {one.token for one in state.movers} if state.wakes else {newest}
    yield from writers.moves(state, rules)
    yield from appliers.moves(state, rules, awake)
    # A database ends the transactions of a client that is stopped, sooner or later.
    yield from appliers.dies(state, _carrying(state) - {newest})
    for mover in state.movers:
        if mover.token in awake:
            yield from movers.moves(state, rules, mover)
    yield from movers.orphaned(state, rules)
    if leaderless(state):
        yield movers.comes(state)


def _faults(state: State, rules: Rules) -> Iterator[Move]:
    yield from appliers.dies(state, _carrying(state) & {_newest(state)})
    if state.cuts:
        yield from appliers.cut(state)
    for mover in state.movers:
        if state.undos:
            yield from movers.undoes(state, rules, mover)
        if state.crashes:
            yield from movers.crashes(state, rules, mover)
    if state.takeovers and not leaderless(state) and state.control.token < state.tokens:
        said, after = movers.comes(state)
        yield said, after._replace(takeovers=state.takeovers - 1)


def _newest(state: State) -> int:
    return state.movers[-1].token if state.movers else 0


def _carrying(state: State) -> set[int]:
    return {one.token for one in state.appliers if one is not None}


def leaderless(state: State) -> bool:
    """Nobody has the lease, or is about to take it."""
    held = any(mover.token >= state.control.token for mover in state.movers)
    return not held and state.control.token < state.tokens


@dataclass(frozen=True)
class Found:
    """What an exploration has found."""

    states: int
    moves: int
    said: frozenset[str] = frozenset()
    """Everything that anybody has done."""
    violation: frozenset[str] = frozenset()
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.violation:
            return f"{self.states} states, {self.moves} moves: all is well"
        lines = [f"broken: {', '.join(sorted(self.violation))}", *self.trace]
        return "\n".join(lines)


def explore(
    bounds: Bounds, rules: Rules | None = None, *, watching: frozenset[str] = invariants.ALL
) -> Found:
    """Every state that can be reached, until one of the invariants is broken."""
    return _Exploration(rules or Rules(), watching).run(canonical(initial(bounds)))


class _Exploration:
    def __init__(self, rules: Rules, watching: frozenset[str]) -> None:
        self.rules = rules
        self.watching = watching
        self.numbers: dict[State, int] = {}
        self.came: list[tuple[int, str]] = []
        """From which state, and by what move, each was reached first."""
        self.working: list[list[int]] = []
        """The states from which somebody's work leads to each."""
        self.finished: list[int] = []
        self.moves = 0
        self.said: set[str] = set()

    def run(self, first: State) -> Found:
        waiting = deque([self._add(first, -1, "")])
        states = [first]
        while waiting:
            number = waiting.popleft()
            before = states[number]
            for said, after, works in following(before, self.rules):
                self.moves += 1
                self.said.add(said)
                state = canonical(after)
                known = self.numbers.get(state)
                if known is None:
                    known = self._add(state, number, said)
                    states.append(state)
                    wrong = invariants.broken(state) | invariants.steps_back(before, state)
                    if wrong & self.watching:
                        return self._found(known, wrong & self.watching)
                    waiting.append(known)
                if works:
                    self.working[known].append(number)
        stuck = self._stuck() if invariants.STUCK in self.watching else None
        if stuck is not None:
            return self._found(stuck, {invariants.STUCK})
        return Found(len(self.numbers), self.moves, frozenset(self.said))

    def _add(self, state: State, parent: int, said: str) -> int:
        number = len(self.numbers)
        self.numbers[state] = number
        self.came.append((parent, said))
        self.working.append([])
        if invariants.finished(state):
            self.finished.append(number)
        return number

    def _stuck(self) -> int | None:
        """The first state from which work alone never leads to an end."""
        fine = bytearray(len(self.numbers))
        waiting = list(self.finished)
        while waiting:
            number = waiting.pop()
            if not fine[number]:
                fine[number] = 1
                waiting += self.working[number]
        stuck = fine.find(0)
        return None if stuck < 0 else stuck

    def _found(self, number: int, wrong: set[str]) -> Found:
        trace: list[str] = []
        while number > 0:
            number, said = self.came[number]
            trace.append(said)
        return Found(
            len(self.numbers),
            self.moves,
            frozenset(self.said),
            frozenset(wrong),
            tuple(reversed(trace)),
        )
