"""Whoever asks on the monolith's side is told when all that the service had written is there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from strangler.ladder import Arm
from strangler.transfer.answering import Answering
from strangler.transfer.apply import Flow
from strangler.transfer.errors import TransferError
from strangler.transfer.mapping import TableMap, Target
from strangler.transfer.pairing import pair
from tests.strangler.transfer.sides import Side, SqliteSide

LABELS = TableMap("label", Target("tag", {"name": "name", "colour": "colour"}))


class Back:
    """The service owns, and its rows flow back."""

    def __init__(self, monolith: Side, service: Side) -> None:
        self.app = service.application()
        self.app.run("ALTER TABLE label RENAME TO tag")
        here = monolith.installed(owner=Arm.SERVICE, tables=("label",))
        there = service.installed(arm=Arm.SERVICE, owner=Arm.SERVICE, tables=("tag",))
        self.flow = Flow(pair((LABELS,), here, there), there, here, Arm.SERVICE, 0, 1)
        self.answering = Answering(self.flow)
        self.other = service.session(arm=Arm.SERVICE, tables=("tag",))
        self.monolith = monolith
        self.door = monolith.door()

    def write(self, name: str) -> None:
        self.app.run("INSERT INTO tag (name) VALUES (?)", name)

    def read(self) -> set[str]:
        rows = self.monolith.application().run("SELECT name FROM label")
        return {name for (name,) in rows}


@pytest.fixture
def back(side: Side, service: SqliteSide) -> Iterator[Back]:
    way = Back(side, service)
    yield way
    way.door.close()


@pytest.fixture
def owned(side: Side, service: SqliteSide) -> Iterator[Back]:
    """The service is on the other kind of database."""
    way = Back(service, side)
    yield way
    way.door.close()


def test_whoever_asks_is_told_once_the_rows_are_there(back: Back) -> None:
    back.write("a")
    first = back.door.ask()
    assert not back.door.answered(first)
    back.answering.look()
    assert not back.door.answered(first), "nothing has been carried"
    assert back.answering.busy
    back.flow.batch()
    assert back.read() == {"a"}
    assert not back.door.answered(first), "the mover has not said so"
    back.answering.look()
    assert back.door.answered(first)
    assert not back.door.answered(back.door.ask()), "the answer was to another question"
    back.answering.look()
    assert back.door.answered(back.door.ask() - 1)


def test_what_somebody_has_claimed_is_not_there(owned: Back) -> None:
    """A mover that was stopped may hold what another then finds nothing of."""
    owned.write("a")
    number = owned.door.ask()
    with owned.other.claim(10) as claim:
        assert len(claim.entries) == 1
        owned.answering.look()
        assert not owned.door.answered(number)
    owned.answering.look()
    assert owned.door.answered(number)


def test_what_was_asked_while_another_is_answered_is_the_next(owned: Back) -> None:
    owned.write("a")
    first = owned.door.ask()
    owned.answering.look()
    owned.write("b")
    second = owned.door.ask()
    assert owned.flow.batch(1).entries
    owned.answering.look()
    assert (owned.door.answered(first), owned.door.answered(second)) == (True, False)
    owned.answering.look()
    assert not owned.door.answered(second)
    assert owned.flow.batch(1).entries
    owned.answering.look()
    assert owned.door.answered(second)


def test_what_is_written_and_asked_while_the_mover_looks(
    owned: Back, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks where the journal is after it has read the question, and not before."""
    target, numbers = owned.flow.target, list[int]()
    owned.write("a")
    owned.flow.batch()

    def asked() -> int:
        owned.write("b")
        numbers.append(owned.door.ask())
        return type(target).asked(target)

    monkeypatch.setattr(target, "asked", asked)
    owned.answering.look()
    assert not owned.door.answered(numbers[0])
    owned.flow.batch()
    owned.answering.look()
    assert owned.door.answered(numbers[0])


def test_a_mover_that_was_taken_over_says_nothing(back: Back) -> None:
    number = back.door.ask()
    back.flow.target.seize(1)
    back.answering.look()
    assert not back.door.answered(number)
    after = Flow(back.flow.pairing, back.flow.source, back.flow.target, Arm.SERVICE, 1, 1)
    Answering(after).look()
    assert back.door.answered(number)


def test_nobody_is_told_while_the_monolith_owns(side: Side, service: SqliteSide) -> None:
    service.application().run("ALTER TABLE label RENAME TO tag")
    here = side.installed(tables=("label",))
    there = service.installed(arm=Arm.SERVICE, tables=("tag",))
    door = side.door()
    number = door.ask()
    answering = Answering(Flow(pair((LABELS,), here, there), here, there, Arm.MONOLITH, 0, 1))
    answering.look()
    assert not door.answered(number)
    assert not answering.busy
    door.close()


def test_who_has_not_installed_it_yet_is_asked_nothing(back: Back) -> None:
    back.monolith.application().run("DROP TABLE strangler_asked")
    assert any("strangler_asked" in one for one in back.flow.target.missing())
    back.answering.look()
    assert not back.door.answered(1)
    with pytest.raises(TransferError):
        back.door.ask()
    back.flow.target.install(owner=Arm.SERVICE, epoch=1)
    number = back.door.ask()
    back.answering.look()
    assert back.door.answered(number)
