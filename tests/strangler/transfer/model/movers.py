"""Movers: the switch, its undoing, repair by the next one, and what is left of one that died."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.transfer.database import Owner
from strangler.transfer.protocol import Action, Decision, Place, Torn
from tests.strangler.transfer.model.actions import Late, Order, Wait, perform
from tests.strangler.transfer.model.rules import SEIZED, Rules, undo
from tests.strangler.transfer.model.state import (
    ARMS,
    NOBODY,
    Mover,
    Orphan,
    Side,
    State,
    locked,
    on,
)
from tests.strangler.transfer.model.writers import Move

_CONTROL = 4
"""Its bit among the places that are seized."""


def moves(state: State, rules: Rules, mover: Mover) -> Iterator[Move]:
    """Everything that this mover can do next by itself."""
    if mover.mode == "seizing":
        yield from _seizes(state, rules, mover)
    elif mover.mode == "idle":
        if state.switches:
            control = state.control
            began = mover._replace(mode="switching", at=0, old=control.owner, epoch=control.epoch)
            after = _put(state, began)
            yield f"{_name(mover)} begins", after._replace(switches=state.switches - 1)
    elif mover.mode == "switching":
        step = rules.steps[mover.at]
        if step.action is Action.FREEZE and rules.door_with_freeze and mover.door != mover.old:
            # Evicted: with the door it has lost the session by which it would freeze.
            yield f"{_name(mover)} finds its session gone", _without(state, mover)
            return
        ended = mover.at + 1 == len(rules.steps)
        further = mover._replace(
            mode="idle" if ended else "switching", at=0 if ended else mover.at + 1,
            old=NOBODY if ended else mover.old, epoch=0 if ended else mover.epoch,
        )  # fmt: skip
        yield from _does(state, rules, mover, step.action, further)
    else:
        if mover.mode == "repairing" and mover.todo[0] == Action.OPEN_DOOR:
            # Any door, whoever of those before it holds it: they are evicted.
            state = _evicted(state)
        if rules.seizes != SEIZED:
            state = _seized_late(state, mover)
        further = _doing(mover, tuple(map(Action, mover.todo[1:])))
        yield from _does(state, rules, mover, Action(mover.todo[0]), further)


def undoes(state: State, rules: Rules, mover: Mover) -> Iterator[Move]:
    """A switch is over its budget: it goes back, if the decision has not been recorded."""
    if mover.mode == "switching" and mover.at:
        back = undo(rules.steps, mover.at)
        if back is not None:
            after = _put(state, _undoing(mover, back))
            yield f"{_name(mover)} goes back", after._replace(undos=state.undos - 1)
        if not rules.asks_after_doubt and rules.steps[mover.at].action is Action.DECIDE:
            after = _put(state, _undoing(mover, back or ()))
            after = after._replace(
                orphans=(*state.orphans, _orphan(mover, Action.DECIDE)), undos=state.undos - 1
            )
            yield f"{_name(mover)} goes back without knowing whether it has decided", after


def crashes(state: State, rules: Rules, mover: Mover) -> Iterator[Move]:
    """It is gone with its sessions: doors open. What it asked for last may still be waiting."""
    after = _without(state, mover)._replace(crashes=state.crashes - 1)
    action = _lasting(rules, mover)
    if action is not None:
        orphan = _orphan(mover, action)
        if rules.door_with_freeze and action in {Action.FREEZE, Action.THAW}:
            orphan = orphan._replace(door=mover.door)
        after = after._replace(orphans=(*state.orphans, orphan))
    yield f"{_name(mover)} is killed", after


def comes(state: State) -> Move:
    """Another mover, with a new token; it begins with a repair."""
    token = state.control.token + 1
    token = max([token, *(one.token + 1 for one in state.movers)])
    token = max([token, *(side.token + 1 for side in state.sides)])
    return f"mover {token} comes", state._replace(movers=(*state.movers, Mover(token, "seizing")))


def orphaned(state: State, rules: Rules) -> Iterator[Move]:
    """A waiting statement is executed at last, or its database finds that its client is gone."""
    for index, one in enumerate(state.orphans):
        rest = (*state.orphans[:index], *state.orphans[index + 1 :])
        yield f"'{one.action}' of mover {one.token} is given up", state._replace(orphans=rest)
        order = Order(Action(one.action), one.token, one.old, one.epoch)
        try:
            after = perform(state, rules, order)
        except Wait:
            continue
        except Late:
            after = state
        yield f"'{one.action}' of mover {one.token} gets its turn", after._replace(orphans=rest)


def _does(
    state: State, rules: Rules, mover: Mover, action: Action, further: Mover
) -> Iterator[Move]:
    try:
        after = perform(state, rules, Order(action, mover.token, mover.old, mover.epoch))
    except Wait:
        return
    except Late:
        yield f"{_name(mover)} is too late: {action}", _without(state, mover)
        return
    now = next(one for one in after.movers if one.token == mover.token)
    yield f"{_name(mover)}: {action}", _put(after, further._replace(door=now.door))


def _seizes(state: State, rules: Rules, mover: Mover) -> Iterator[Move]:
    if mover.at & rules.seizes == rules.seizes:
        yield _repairs(state, rules, mover)
        return
    if not mover.at & _CONTROL:
        if state.control.token > mover.token:
            yield f"{_name(mover)} is superseded", _without(state, mover)
        else:
            after = state._replace(control=state.control._replace(token=mover.token))
            yield (
                f"{_name(mover)} takes the lease",
                _put(after, mover._replace(at=mover.at | _CONTROL)),
            )
    for place, arm in enumerate(ARMS):
        if mover.at & 1 << place or (rules.appliers_hold and locked(state, place)):
            continue
        if state.sides[place].token > mover.token:
            yield f"{_name(mover)} is superseded", _without(state, mover)
        else:
            after = on(state, place, token=mover.token)
            yield (
                f"{_name(mover)} seizes the {arm}",
                _put(after, mover._replace(at=mover.at | 1 << place)),
            )


def _repairs(state: State, rules: Rules, mover: Mover) -> Move:
    """What is left to do is known; it ends with what a repair does always."""
    decision = Decision(ARMS[state.control.owner], state.control.epoch)
    try:
        todo = rules.mend(decision, _owner(state.sides[0]), _owner(state.sides[1]))
    except Torn:
        return f"{_name(mover)} finds it torn", state._replace(broken="never torn")
    before = Action.THAW in todo
    old = state.control.owner if before else 1 - state.control.owner
    epoch = decision.epoch if before else decision.epoch - 1
    todo = tuple(dict.fromkeys((*todo, *rules.repair_ends)))
    repairing = mover._replace(mode="repairing", old=old, epoch=epoch)
    return f"{_name(mover)} finds to do: {', '.join(todo) or 'nothing'}", _put(
        state, _doing(repairing, todo)
    )


def _doing(mover: Mover, todo: tuple[Action, ...]) -> Mover:
    if not todo:
        return Mover(mover.token, "idle", door=mover.door)
    return mover._replace(at=0, todo=tuple(map(str, todo)))


def _seized_late(state: State, mover: Mover) -> State:
    """The place of its next action is seized only now, whatever was done there meanwhile."""
    place = {Action.OPEN: 1 - mover.old, Action.HAND_OVER: mover.old, Action.THAW: mover.old}.get(
        Action(mover.todo[0])
    )
    return state if place is None else on(state, place, token=mover.token)


def _evicted(state: State) -> State:
    """Whoever holds a door loses it, with the session that holds it."""
    return state._replace(
        movers=tuple(one._replace(door=NOBODY) for one in state.movers),
        orphans=tuple(one for one in state.orphans if one.door == NOBODY),
    )


def _undoing(mover: Mover, back: tuple[Action, ...]) -> Mover:
    return _doing(mover._replace(mode="undoing"), back)


def _lasting(rules: Rules, mover: Mover) -> Action | None:
    if mover.mode == "switching":
        step = rules.steps[mover.at]
        waits = step.lasts and step.place is not Place.TABLE and step.action is not Action.DRAIN
        return step.action if waits else None
    if mover.todo and mover.todo[0] not in {Action.PUBLISH, Action.OPEN_DOOR}:
        return Action(mover.todo[0])
    return None


def _orphan(mover: Mover, action: Action) -> Orphan:
    return Orphan(str(action), mover.token, mover.old, mover.epoch)


def _owner(side: Side) -> Owner:
    return Owner(ARMS[side.owner], side.epoch, side.token, side.frozen)


def _put(state: State, mover: Mover) -> State:
    return state._replace(
        movers=tuple(mover if one.token == mover.token else one for one in state.movers)
    )


def _without(state: State, mover: Mover) -> State:
    return state._replace(movers=tuple(one for one in state.movers if one.token != mover.token))


def _name(mover: Mover) -> str:
    return f"mover {mover.token}"
