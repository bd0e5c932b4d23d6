"""Longer runs than can be explored whole: more writes, movers and switches, in random order."""

from __future__ import annotations

import os
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.strangler.transfer.model import appliers, invariants, movers, writers
from tests.strangler.transfer.model.explore import following, leaderless
from tests.strangler.transfer.model.rules import Rules
from tests.strangler.transfer.model.state import Bounds, State, initial
from tests.strangler.transfer.model.writers import Move

LONG = bool(os.environ.get("STRANGLER_CHAOS"))
BOUNDS = Bounds(
    keys=2, deliveries=3, rogues=5, appliers=3, switches=5, crashes=3, takeovers=3, undos=3,
    cuts=3, tokens=1000,
)  # fmt: skip
ENOUGH = 5000
"""Moves within which whatever was begun comes to an end, once nothing breaks any more."""
RULES = Rules()

choices = st.integers(0, 99)


class Transfer(RuleBasedStateMachine):
    """Everybody does what the model lets them do; Hypothesis says who comes next."""

    def __init__(self) -> None:
        super().__init__()
        self.state: State = initial(BOUNDS)
        self.before: State = self.state

    def choose(self, moves: list[Move], choice: int) -> None:
        self.before = self.state
        if moves:
            _, self.state = moves[choice % len(moves)]

    @rule(choice=choices)
    def somebody_writes(self, choice: int):
        self.choose(list(writers.moves(self.state, RULES)), choice)

    @rule(choice=choices)
    def rows_are_carried(self, choice: int):
        awake = {mover.token for mover in self.state.movers}
        self.choose(list(appliers.moves(self.state, RULES, awake)), choice)

    @precondition(lambda self: self.state.movers)
    @rule(choice=choices, times=st.integers(1, 6))
    def a_mover_goes_on(self, choice: int, times: int):
        token = self.state.movers[choice % len(self.state.movers)].token
        for _ in range(times):
            mover = next((one for one in self.state.movers if one.token == token), None)
            if mover is not None:
                self.choose(list(movers.moves(self.state, RULES, mover)), choice)
                assert not self.broken()

    @precondition(lambda self: self.state.takeovers or leaderless(self.state))
    @rule()
    def a_mover_comes(self):
        if not leaderless(self.state):
            left = self.state.takeovers - 1
            self.state = self.state._replace(takeovers=left)
        self.choose([movers.comes(self.state)], 0)

    @precondition(lambda self: self.state.movers and self.state.crashes)
    @rule(choice=choices)
    def a_mover_is_killed(self, choice: int):
        mover = self.state.movers[choice % len(self.state.movers)]
        self.choose(list(movers.crashes(self.state, RULES, mover)), choice)

    @precondition(lambda self: self.state.movers and self.state.undos)
    @rule(choice=choices)
    def a_switch_takes_too_long(self, choice: int):
        mover = self.state.movers[choice % len(self.state.movers)]
        self.choose(list(movers.undoes(self.state, RULES, mover)), choice)

    @precondition(lambda self: self.state.orphans)
    @rule(choice=choices)
    def a_waiting_statement_gets_its_turn(self, choice: int):
        self.choose(list(movers.orphaned(self.state, RULES)), choice)

    @precondition(lambda self: self.state.cuts)
    @rule(choice=choices)
    def a_claim_is_lost(self, choice: int):
        self.choose(list(appliers.cut(self.state)), choice)

    @invariant()
    def every_promise_is_kept(self):
        assert not self.broken()

    def broken(self) -> set[str]:
        return invariants.broken(self.state) | invariants.steps_back(self.before, self.state)

    def teardown(self):
        """Nothing breaks any more: everything comes to an end, whoever comes next."""
        dice = Random(0)
        for _ in range(ENOUGH):
            if invariants.finished(self.state):
                return
            moves = [one.state for one in following(self.state, RULES) if one.works]
            assert moves, "nothing can be done any more"
            self.before, self.state = self.state, dice.choice(moves)
            assert not self.broken()
        raise AssertionError(f"it never ends: {self.state}")


TestTransfer = Transfer.TestCase
TestTransfer.settings = settings(
    max_examples=2000 if LONG else 60,
    stateful_step_count=200 if LONG else 60,
    deadline=None,
)
