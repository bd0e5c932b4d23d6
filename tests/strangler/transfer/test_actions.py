"""What a switch, a repair, and giving up do to one side, on either kind of database."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from strangler.ladder import Arm
from strangler.transfer import actions
from strangler.transfer.database import Entry, Owner, Parked, Session
from strangler.transfer.errors import Superseded
from strangler.transfer.protocol import Action, Decision, Torn, remaining
from tests.strangler.transfer.sides import Side

M, S = Arm.MONOLITH, Arm.SERVICE
BACK = Decision(M, 2)


def test_a_side_that_was_given_up_is_fenced_and_forgets_what_it_wrote(side: Side):
    session = side.installed(arm=S, owner=S)
    app = side.application()
    app.add_item(1)
    app.add_item(2)
    (first, *_) = _claimed(session)
    with session.step(token=0, epoch=1) as step:
        step.park([Parked(first.table, first.key, "no", first.at)])
    assert (session.pending(), session.count_parked()) == (1, 1)
    actions.hand_over(session, 0, BACK)
    assert session.owner() == Owner(M, 2, 0, frozen=False)
    assert (session.pending(), session.count_parked()) == (0, 0)
    assert app.refuses("DELETE FROM item")
    assert app.run("SELECT count(*) FROM item")[0][0] == 2


def test_a_new_owner_takes_writes_and_captures_them(side: Side):
    session = side.installed(arm=M, owner=S)
    app = side.application()
    assert app.refuses("INSERT INTO label VALUES ('red', NULL)")
    actions.open_new(session, 0, BACK)
    assert session.owner() == Owner(M, 2, 0, frozen=False)
    app.add_item(1)
    assert session.pending() == 1


def test_none_of_it_is_done_twice_or_late(side: Side):
    session = side.installed(arm=M, owner=S)
    session.seize(3)
    for action in (actions.open_new, actions.hand_over):
        with pytest.raises(Superseded):
            action(session, 2, BACK)
    actions.open_new(session, 3, BACK)
    for action in (actions.open_new, actions.hand_over):
        with pytest.raises(Superseded):
            action(session, 3, BACK)


def test_a_side_that_is_behind_the_decision_is_handed_over():
    behind = Owner(S, 1, 9, frozen=False)
    settled = Owner(M, 2, 9, frozen=False)
    rest = (Action.PUBLISH, Action.HAND_OVER, Action.OPEN_DOOR)
    assert remaining(BACK, settled, behind) == rest
    assert remaining(BACK, behind, behind) == (Action.OPEN, *rest)
    with pytest.raises(Torn):
        remaining(Decision(M, 3), Owner(M, 3, 9, frozen=False), behind)


def _claimed(session: Session) -> Sequence[Entry]:
    with pytest.raises(_Enough) as left, session.claim(10) as claim:
        raise _Enough(claim.entries)
    entries: Sequence[Entry] = left.value.args[0]
    return entries


class _Enough(Exception):
    """Leaves a claim without forgetting what was claimed."""
