"""A difference counts only if it outlives its key's drain, however slowly one looks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from strangler.ladder import Arm
from strangler.transfer.mapping import TableMap, Target
from strangler.transfer.pairing import pair
from strangler.transfer.verify import Finding, Kind, Verification
from tests.strangler.transfer.sides import Application, SqliteSide

MAPS = (TableMap("label", Target("tag", {"name": "name", "colour": "colour"})),)
TABLES = ("label", "tag")
HOT = ("label", ("hot",))
TORN = Finding("tag", ("hot",), Kind.CHANGED, ("colour",))


class Both:
    """One row on both sides, and a mover at hand."""

    def __init__(self, folder: Path) -> None:
        self.sides = [SqliteSide(folder / f"{arm}.sqlite3") for arm in Arm]
        self.monolith = self.sides[0].installed(tables=("label",))
        self.apps: list[Application] = [side.application() for side in self.sides]
        self.apps[1].run("ALTER TABLE label RENAME TO tag")
        self.service = self.sides[1].installed(owner=Arm.SERVICE, arm=Arm.SERVICE, tables=("tag",))
        for app, table in zip(self.apps, TABLES, strict=True):
            app.run(f"INSERT INTO {table} VALUES ('hot', 'red')")  # noqa: S608 - our own
        self.forget()
        self.verification = Verification(
            pair(MAPS, self.monolith, self.service),
            monolith=self.monolith,
            service=self.service,
            owner=Arm.MONOLITH,
        )

    def write(self, colour: str, *, to: int = 0) -> None:
        self.apps[to].run(f"UPDATE {TABLES[to]} SET colour = ?", colour)  # noqa: S608 - our own

    def forget(self) -> None:
        self.apps[0].run("DELETE FROM strangler_journal")

    def carry(self, colour: str) -> None:
        self.write(colour)
        self.write(colour, to=1)
        self.forget()


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    made = Both(tmp_path)
    yield made
    for side in made.sides:
        side.close()


def test_what_differs_and_is_not_on_its_way_is_wrong(both: Both):
    assert both.verification.check([HOT]) == []
    both.write("blue", to=1)
    assert both.verification.check([HOT]) == [TORN]


@pytest.mark.parametrize("times", [1, 2, 3, 7])
def test_what_is_written_and_carried_between_two_looks_is_not(
    both: Both, monkeypatch: pytest.MonkeyPatch, times: int
):
    read, colours = both.service.read, count()

    def late(*given: Any) -> Any:
        if (number := next(colours)) < times:
            both.carry(f"colour {number}")
        return read(*given)

    monkeypatch.setattr(both.service, "read", late)
    assert both.verification.check([HOT]) == []
    assert next(colours) > times


def test_what_is_on_its_way_is_waited_for_but_not_for_ever(
    both: Both, monkeypatch: pytest.MonkeyPatch
):
    both.write("blue")
    assert both.verification.check([HOT], patience=0.3) == [TORN]
    dirty, asked = both.monolith.dirty, count()

    def carried(*given: Any) -> Any:
        if next(asked) == 2:
            both.carry("blue")
        return dirty(*given)

    monkeypatch.setattr(both.monolith, "dirty", carried)
    assert both.verification.check([HOT]) == []
