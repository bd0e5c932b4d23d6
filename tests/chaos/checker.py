"""The checker: holds what was acknowledged, by the logs, against the rows of the owner.

It knows nothing of how rows are carried; it reads them as an application does.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from strangler.ladder import Arm
from strangler.transfer.verify import Verification
from tests.chaos import cast, notes, writer
from tests.chaos.books import Books
from tests.chaos.side import Side
from tests.chaos.world import COUNTERS, SLOTS, World, flowing, pairing


@dataclass
class Found:
    """What a run has come to; all lists are empty where all is well."""

    acknowledged: int = 0
    denied: int = 0
    """Writes of rogues."""
    written: int = 0
    """By rogues, past the door."""
    slowest: float = 0.0
    """Seconds that an acknowledged command took."""
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Rows that nobody has acknowledged so."""
    apart: list[str] = field(default_factory=list)
    """Rows that differ on the two sides."""
    errors: list[str] = field(default_factory=list)
    """What a client would have seen, and what was sighted."""

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong, in words."""
        return [
            f"{name}: {one}"
            for name in ("lost", "twice", "wrong", "apart", "errors")
            for one in getattr(self, name)
        ]


def drain(world: World) -> None:
    """Carry what is left, with nobody writing any more."""
    desk = world.desk
    desk.take()
    try:
        with world.sessions() as sides:
            for session in sides.values():
                session.seize(desk.token)
            flow = flowing(world, sides, desk)
            while flow.source.pending():
                flow.batch()
    finally:
        desk.release()


def check(world: World, writers: list[str], rogues: list[str]) -> Found:
    """Compare, once everybody has come to an end and all rows are carried."""
    found = Found()
    owner = world.desk.decision().owner
    with closing(world.side(owner)) as side:
        books = {name: _books(world, name, found) for name in writers}
        _boxes(side, books, found)
        _items(side, books, found)
        _shared(side, books, found)
        _entries(side, books, _rogues(world, rogues, found), found)
    with world.sessions() as sides:
        check = Verification(
            pairing(sides), monolith=sides[Arm.MONOLITH], service=sides[Arm.SERVICE], owner=owner
        )
        for _ in check.chunks():
            pass
        found.apart += [
            f"{one.kind} {one.table} {one.key} {one.columns}" for one in check.findings(patience=0)
        ]
        for arm, session in sides.items():
            found.apart += [f"{arm}: {said}" for said in session.missing()]
            if parked := session.parked():
                found.apart.append(f"{arm}: parked: {parked[0]}")
    for line in notes.read(cast.sightings(world)):
        if "error" in line:
            found.errors.append(line["error"])
    return found


def _books(world: World, name: str, found: Found) -> Books:
    books, asked, ended = Books(), None, False
    for line in notes.read(writer.log_of(world, name)):
        if "asked" in line:
            asked = line["asked"]
        elif "done" in line:
            assert asked is not None
            books.enter(asked, line["answer"])
            asked = None
            found.acknowledged += 1
            found.slowest = max(found.slowest, line["took"])
        elif "error" in line:
            found.errors.append(f"{name}: {line['error']}")
        ended = "ended" in line
    if not ended:
        found.errors.append(f"{name} has not come to its end")
    return books


def _rogues(world: World, names: list[str], found: Found) -> dict[tuple[str, int], int | None]:
    """What rogues have written: the id, or None where they have not been told."""
    written: dict[tuple[str, int], int | None] = {}
    for name in names:
        for line in notes.read(writer.log_of(world, name)):
            if "tried" in line:
                written[name, line["tried"]] = None
            elif "wrote" in line:
                written[name, line["wrote"]] = line["id"]
                found.written += 1
            elif "denied" in line:
                del written[name, line["denied"]]
                found.denied += 1
            elif "error" in line:
                found.errors.append(f"{name}: {line['error']}")
    return written


def _compare(what: str, wanted: dict[Any, Any], there: dict[Any, Any], found: Found) -> None:
    for key, value in wanted.items():
        if key not in there:
            found.lost.append(f"{what} {key}")
        elif there[key] != value:
            found.lost.append(f"{what} {key}: acknowledged as {value}, and is {there[key]}")
    found.wrong += [f"{what} {key} is there" for key in there.keys() - wanted.keys()]


def _boxes(side: Side, books: dict[str, Books], found: Found) -> None:
    wanted: dict[int, tuple[str, int | None]] = {}
    for one in books.values():
        if both := wanted.keys() & one.boxes.keys():
            found.twice.append(f"the number of a box was given twice: {both}")
        wanted |= one.boxes
    _compare("box", wanted, side.boxes(), found)


def _items(side: Side, books: dict[str, Books], found: Found) -> None:
    wanted = {sku: item for one in books.values() for sku, item in one.items.items()}
    _compare("item", wanted, side.items(), found)


def _shared(side: Side, books: dict[str, Books], found: Found) -> None:
    counts = sum((one.counts for one in books.values()), Counter[int]())
    for number, there in side.counters().items():
        if there < counts[number]:
            found.lost.append(f"{counts[number] - there} counts of {number}")
        elif there > counts[number]:
            found.twice.append(f"{there - counts[number]} counts of {number}")
    slots = side.slots()
    swaps = sum((one.swaps for one in books.values()), Counter[int]())
    if sorted(tag for tag, _ in slots.values()) != sorted(f"label-{n}" for n in range(SLOTS)):
        found.wrong.append(f"labels: {slots}")
    versions = {number: version for number, (_, version) in slots.items()}
    _compare("swaps of slot", {n: swaps[n] for n in range(SLOTS)}, versions, found)
    if len(side.counters()) != COUNTERS:
        found.lost.append("counters")


def _entries(
    side: Side, books: dict[str, Books], rogues: dict[tuple[str, int], int | None], found: Found
) -> None:
    wanted = {
        (name, seq): words for name, one in books.items() for seq, words in one.entries.items()
    }
    numbers = {(name, seq): n for name, one in books.items() for seq, n in one.numbers.items()}
    wanted |= {key: f"{key[0]} {key[1]}" for key, number in rogues.items() if number is not None}
    numbers |= {key: number for key, number in rogues.items() if number is not None}
    perhaps = {key for key, number in rogues.items() if number is None}
    rows = side.entries()
    there = {(author, seq): words for author, seq, words, _ in rows}
    for key in perhaps:
        there.pop(key, None)
    for key, times in Counter((author, seq) for author, seq, _, _ in rows).items():
        if times > 1:
            found.twice.append(f"entry {key}")
    _compare("entry", wanted, there, found)
    given = {(author, seq): number for author, seq, _, number in rows}
    for key, number in numbers.items():
        if key in given and given[key] != number:
            found.wrong.append(f"entry {key} was given {number}, and has {given[key]}")
