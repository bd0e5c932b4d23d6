"""What each action of the protocol's table does to the state."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from strangler.transfer.protocol import Action
from tests.strangler.transfer.model.rules import Rules
from tests.strangler.transfer.model.state import NOBODY, Side, State, locked, on, shut, writing


class Wait(Exception):
    """Not now: somebody holds a lock, or something is not true yet."""


class Late(Exception):
    """The transaction has found another token or epoch: it does nothing."""


class Order(NamedTuple):
    """An action, and what its mover knew when it gave it."""

    action: Action
    token: int
    old: int
    epoch: int

    @property
    def new(self) -> int:
        """The side that gets the rows."""
        return 1 - self.old


def perform(state: State, rules: Rules, order: Order) -> State:
    """The state after this action, which is one transaction.

    Raises:
        Wait, Late: it is not done.
    """
    return _PERFORMED[order.action](state, rules, order)


def _frozen(state: State, rules: Rules, order: Order) -> State:
    _step(state, rules, order, order.old)
    frozen = order.action is Action.FREEZE
    return on(state, order.old, owner=order.old, frozen=frozen, fenced=frozen)


def _step(state: State, rules: Rules, order: Order, place: int) -> Side:
    """A transaction on one side: it waits for whoever has the owner row, or is writing."""
    side = state.sides[place]
    if rules.appliers_hold and locked(state, place):
        raise Wait
    if rules.steps_check and (side.token, side.epoch) != (order.token, order.epoch):
        raise Late
    if order.action is not Action.NUMBER and writing(state, place):
        raise Wait
    return side


def _door(state: State, rules: Rules, order: Order) -> State:
    """Who holds the door is a matter of sessions, not of tokens."""
    closes = order.action is Action.CLOSE_DOOR
    inside = any(
        one.phase in {"inside", "wrote"} and one.side == order.old for one in state.deliveries
    )
    if closes and (inside or shut(state, order.old, order.token)):
        raise Wait
    door = order.old if closes else NOBODY
    return state._replace(
        movers=tuple(
            one._replace(door=door) if one.token == order.token else one for one in state.movers
        )
    )


def _drained(state: State, rules: Rules, order: Order) -> State:
    if rules.appliers_check and state.sides[order.new].token != order.token:
        raise Late  # nothing that it carries is taken there any more
    dirty = sum(state.sides[order.old].journal)
    if not rules.counts_claimed:
        dirty -= sum(
            one is not None and one.claim and one.source == order.old for one in state.appliers
        )
    if dirty > 0:
        raise Wait
    return state


def _verified(state: State, rules: Rules, order: Order) -> State:
    if state.sides[0].rows == state.sides[1].rows:
        return state
    if state.sides[order.old].token != order.token:
        raise Late  # writers are let in again; it goes back, and is too late for that as well
    return state._replace(broken="verified")


def _told(state: State, rules: Rules, order: Order) -> State:
    if state.sides[order.old].untold:
        raise Wait
    return state


def _decided(state: State, rules: Rules, order: Order) -> State:
    control = state.control
    if rules.decision_checks and (control.token, control.epoch) != (order.token, order.epoch):
        raise Late
    return state._replace(control=control._replace(owner=order.new, epoch=order.epoch + 1))


def _opened(state: State, rules: Rules, order: Order) -> State:
    _step(state, rules, order, order.new)
    return on(
        state, order.new, owner=order.new, epoch=order.epoch + 1, frozen=False, fenced=False,
        captures=rules.captures_with_opening,
    )  # fmt: skip


def _handed(state: State, rules: Rules, order: Order) -> State:
    _step(state, rules, order, order.old)
    after = on(
        state,
        order.old,
        owner=order.new,
        epoch=order.epoch + 1,
        frozen=False,
        captures=False,
    )
    return after if rules.captures_with_opening else on(after, order.new, captures=True)


def _numbered(state: State, rules: Rules, order: Order) -> State:
    new = _step(state, rules, order, order.new)
    return on(state, order.new, last=max(new.last, state.sides[order.old].last))


def _published(state: State, rules: Rules, order: Order) -> State:
    return state._replace(table=state.control.owner)


_PERFORMED: dict[Action, Callable[[State, Rules, Order], State]] = {
    Action.CLOSE_DOOR: _door,
    Action.FREEZE: _frozen,
    Action.DRAIN: _drained,
    Action.VERIFY: _verified,
    Action.TELL: _told,
    Action.NUMBER: _numbered,
    Action.DECIDE: _decided,
    Action.OPEN: _opened,
    Action.HAND_OVER: _handed,
    Action.PUBLISH: _published,
    Action.OPEN_DOOR: _door,
    Action.THAW: _frozen,
}
