"""What the mover says of the commands that are rehearsed, wherever it delivers them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from strangler.ladder import Arm
from strangler.transfer import delivering
from strangler.transfer.apply import Flow
from strangler.transfer.delivering import ROOM, make_room
from strangler.transfer.mapping import TableMap, Target
from strangler.transfer.pairing import pair
from strangler.transfer.rehearsed import Delivery, plain, stamped, unstamped
from strangler.transfer.sqlite import stamp
from tests.strangler.transfer.sides import (
    COLUMNS,
    PostgresSide,
    Side,
    SqliteApplication,
    SqliteSide,
)

LABELS = TableMap("label", Target("tag", {"name": "name", "colour": "colour"}))
ITEMS = TableMap(
    "item",
    Target("goods", {name: name for name in COLUMNS}),
    kept={"kept": "born", "size": None},
)


class Way:
    """Rows on their way from one side to another, and who writes them."""

    def __init__(self, side: Side, service: Side) -> None:
        self.side = side
        self.app = side.application()
        theirs_app = service.application()
        for name, theirs in (("label", "tag"), ("item", "goods")):
            theirs_app.run(f"ALTER TABLE {name} RENAME TO {theirs}")
        monolith = side.installed(tables=("label", "item"))
        there = service.installed(arm=Arm.SERVICE, tables=("tag", "goods"))
        pairing = pair((LABELS, ITEMS), monolith, there)
        self.flow = Flow(pairing, monolith, there, Arm.MONOLITH, 0, 1)
        self.door = side.door()

    def write(self, sql: str, rehearsal: str = "") -> None:
        writer = stamped("a.view", rehearsal) if rehearsal else "a.view"
        if isinstance(self.app, SqliteApplication):
            stamp(self.app.connection, writer=writer, door=True)
            self.app.run(sql)
        else:
            self.app.run(f"{sql} /*strangler door=1 by={writer}*/")

    def label(self, name: str, rehearsal: str = "") -> None:
        self.write(f"INSERT INTO label (name, colour) VALUES ('{name}', 'red')", rehearsal)  # noqa: S608 - our own

    def said(self, rehearsal: str) -> list[Delivery]:
        return [msgspec.json.decode(one, type=Delivery) for one in self.door.delivered(rehearsal)]


@pytest.fixture
def way(side: Side, service: SqliteSide) -> Iterator[Way]:
    way = Way(side, service)
    yield way
    way.door.close()


def test_who_writes_is_known_by_a_name_behind_the_writer_s():
    assert unstamped(stamped("a.view", "beef")) == ("a.view", "beef")
    assert unstamped(stamped("", "beef")) == ("", "beef")
    assert unstamped("a.view") == ("a.view", "")


def test_the_same_value_is_written_alike():
    from datetime import UTC, datetime, timedelta, timezone
    from decimal import Decimal

    east = timezone(timedelta(hours=2))
    assert plain(Decimal("1.50")) == plain(Decimal("1.5")) == "1.5"
    assert plain(datetime(2026, 1, 2, 3, tzinfo=UTC)) == plain(datetime(2026, 1, 2, 5, tzinfo=east))
    assert plain({"a": [b"\xff", None, True]}) == {"a": ["ff", None, True]}


def test_rows_are_told_as_they_were_and_as_they_are(way: Way):
    way.label("a")
    way.flow.batch()
    way.write("UPDATE label SET colour = 'blue' WHERE name = 'a'", "beef")
    way.label("b", "beef")
    way.flow.batch()
    (said,) = way.said("beef")
    assert [(one.table, one.key, one.before, one.after) for one in said.written] == [
        ("tag", ["a"], {"name": "a", "colour": "red"}, {"name": "a", "colour": "blue"}),
        ("tag", ["b"], None, {"name": "b", "colour": "red"}),
    ]
    assert (said.before, said.others) == (1, 1)
    assert way.said("cafe") == []


def test_what_comes_to_nothing_is_not_told(way: Way):
    way.label("a")
    way.flow.batch()
    way.write("UPDATE label SET colour = 'red'", "beef")
    way.flow.batch()
    (said,) = way.said("beef")
    assert said.written == []


def test_a_row_that_goes(way: Way):
    way.label("a")
    way.flow.batch()
    way.write("DELETE FROM label", "beef")
    way.flow.batch()
    (said,) = way.said("beef")
    assert [one.after for one in said.written] == [None]


def test_others_are_told_apart_from_the_command_itself(way: Way):
    way.label("a", "beef")
    way.flow.batch()
    way.label("b", "beef")
    way.flow.batch()
    first, second = way.said("beef")
    assert (first.before, first.others, second.before, second.others) == (0, 0, 1, 0)
    way.label("c", "cafe")
    way.label("d", "beef")
    way.flow.batch()
    (cafe,) = way.said("cafe")
    third = way.said("beef")[2]
    assert cafe.others == third.others == 3
    assert cafe.highest == third.highest > second.highest == 0


def test_what_is_written_while_rows_are_read_is_another_s(
    way: Way, monkeypatch: pytest.MonkeyPatch
):
    """The batch reads a row as somebody else has left it, whose key it has not claimed."""
    way.label("a", "beef")
    before = delivering.Deliveries.before

    def later(self: delivering.Deliveries, claim: delivering.Claim) -> object:
        found = before(self, claim)
        way.write("UPDATE label SET colour = 'blue'")
        return found

    monkeypatch.setattr(delivering.Deliveries, "before", later)
    way.flow.batch()
    (said,) = way.said("beef")
    assert said.written[0].after == {"name": "a", "colour": "blue"}
    assert said.others == 1 > said.before


def test_nothing_is_told_of_the_way_back(side: Side, service: SqliteSide):
    way = Way(side, service)
    flow = Flow(way.flow.pairing, way.flow.source, way.flow.target, Arm.SERVICE, 0, 1)
    with way.flow.source.claim(10) as claim:
        assert delivering.Deliveries(flow).before(claim) is None


@pytest.mark.postgres
def test_there_is_room_between_the_numbers_of_the_two_sides(postgres: object):
    url, other = postgres.create(), postgres.create()  # type: ignore[attr-defined]
    way = Way(PostgresSide(url), service := PostgresSide(other))
    way.app.add_item(7)
    way.app.run("SELECT setval(pg_get_serial_sequence('item', 'id'), 7)")
    make_room(way.flow)
    assert way.flow.target.last_number("goods", "id") == 7 + ROOM
    make_room(way.flow)
    assert way.flow.target.last_number("goods", "id") == 7 + ROOM
    way.app.run("SELECT setval(pg_get_serial_sequence('item', 'id'), ?)", ROOM)
    make_room(way.flow)
    assert way.flow.target.last_number("goods", "id") == 2 * ROOM
    way.door.close()
    for one in (way.side, service):
        one.close()
    for one in (url, other):
        postgres.drop(one)  # type: ignore[attr-defined]
