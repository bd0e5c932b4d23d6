"""What both kinds of database promise: rows are read and written as they are, in any order."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from strangler.ladder import Arm
from strangler.transfer.database import Change, Session, Writer
from strangler.transfer.errors import ReferenceMissing, UniqueTaken, Unwritable
from strangler.transfer.mapping import Key, Row
from tests.strangler.transfer.sides import COLUMNS, Side, SqliteSide, item

NOTHING: dict[str, object] = dict.fromkeys(("title", "weight", "photo", "day", "hour"))

ROWS = [
    item(1),
    item(2, **NOTHING),
    item(
        3,
        title="",
        price=Decimal(0),
        on_sale=False,
        weight=-1e300,
        photo=b"",
        made=datetime(1, 1, 1, tzinfo=UTC),
        day=date(9999, 12, 31),
        hour=time(23, 59, 59, 999999),
        tags=[],
    ),
    item(
        4,
        price=Decimal("-9999999999.99"),
        weight=5e-324,
        made=datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        tags={"deep": {"er": [True, False, None, 1.5, "x"]}},
    ),
    item(5, price=Decimal("0.01"), weight=1 / 3, tags="text"),
    item(2**53 + 1, price=Decimal("1234567890.12"), weight=float(2**60), tags=17),
]


def _write(session: Session, table: str, *changes: Change) -> None:
    with session.applying(token=0, epoch=1, keys=[(table, ())]) as writer:
        for change in changes:
            writer.write(table, change)


def _all(session: Session, table: str, *columns: str) -> list[tuple[object, ...]]:
    described = session.inspect(table)
    wanted = columns or tuple(described.columns)
    return [tuple(row.values()) for _, row in session.chunk(described, wanted, None, 1000)]


def _labels(**colours: str) -> Change:
    return Change(("name", "colour"), list(colours.items()))


def test_every_kind_of_value_comes_back_as_it_was(side: Side):
    session = side.installed()
    _write(session, "item", Change(COLUMNS, list(ROWS)))
    assert _all(session, "item", *COLUMNS) == ROWS
    _write(session, "item", Change(COLUMNS, list(ROWS)))
    assert _all(session, "item", *COLUMNS) == ROWS


def test_values_keep_their_types(side: Side):
    session = side.installed()
    _write(session, "item", Change(COLUMNS, list(ROWS)))
    found = _all(session, "item", *COLUMNS)
    for row, wanted in zip(found, ROWS, strict=True):
        assert [type(value) for value in row] == [type(value) for value in wanted]


def test_values_go_from_one_kind_to_the_other_and_back(side: Side, service: SqliteSide):
    """Each step through the databases of different kinds, and in the words of different arms."""
    here, there = side.installed(), service.installed(arm=Arm.SERVICE)
    _write(here, "item", Change(COLUMNS, list(ROWS)))
    _write(there, "item", Change(COLUMNS, _all(here, "item", *COLUMNS)))
    assert _all(there, "item", *COLUMNS) == ROWS
    _write(here, "item", Change(COLUMNS, [], [(row[0],) for row in ROWS]))
    assert _all(here, "item") == []
    _write(here, "item", Change(COLUMNS, _all(there, "item", *COLUMNS)))
    assert _all(here, "item", *COLUMNS) == ROWS


def test_what_an_application_wrote_is_read(side: Side):
    session, app = side.installed(), side.application()
    app.add_item(7)
    row = session.read(session.inspect("item"), COLUMNS, [(7,)])[7,]
    assert row["price"] == Decimal("1.50")
    assert row["on_sale"] is True
    assert row["made"] == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert row["ref"] == UUID(int=7)
    assert row["tags"] == {}


def test_a_moment_of_another_zone_is_the_same_moment(side: Side):
    session = side.installed()
    zone = timezone(timedelta(hours=5, minutes=30))
    moment = datetime(2026, 2, 3, 1, 0, tzinfo=zone)
    _write(session, "item", Change(COLUMNS, [item(1, made=moment)]))
    ((found,),) = _all(session, "item", "made")
    assert found == moment
    assert isinstance(found, datetime)
    assert found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("table", "columns", "rows"),
    [
        ("label", ("name", "colour"), [(name, None) for name in ("A", "B", "a", "b", "ä", "😀")]),
        ("line", ("box", "place"), [(-1, 5), (1, 1), (1, 2), (2, 1), (10, 0)]),
        ("thing", ("ref", "name"), [(UUID(int=n << 64), "x") for n in (1, 9, 10, 255, 2**40)]),
        ("item", COLUMNS, [item(n) for n in (1, 2, 9, 10, 100)]),
    ],
)
def test_chunks_come_in_the_key_s_order_and_bytes_decide(
    side: Side, table: str, columns: tuple[str, ...], rows: list[tuple[object, ...]]
):
    session = side.installed()
    _write(session, table, Change(columns, rows[::-1]))
    described = session.inspect(table)
    width = len(described.key)
    found: list[tuple[Key, Row]] = []
    after: Key | None = None
    while some := session.chunk(described, columns, after, 2):
        assert len(some) <= 2
        found += some
        after = some[-1][0]
    assert [tuple(row.values()) for _, row in found] == rows
    assert [key for key, _ in found] == [row[:width] for row in rows]
    until = session.chunk(described, columns, rows[0][:width], 100, until=rows[3][:width])
    assert [key for key, _ in until] == [row[:width] for row in rows[1:4]]


def test_reading_leaves_out_what_is_not_there(side: Side):
    session, app = side.installed(), side.application()
    app.run("INSERT INTO line (box, place) VALUES (1, 1), (1, 2), (2, 1)")
    table = session.inspect("line")
    assert session.read(table, ("amount",), [(1, 2), (2, 2), (2, 1)]) == {
        (1, 2): {"amount": 1},
        (2, 1): {"amount": 1},
    }
    assert session.read(table, ("amount",), []) == {}
    assert session.read(table, table.key, {(1, 1)}) == {(1, 1): {"box": 1, "place": 1}}


def test_many_keys_are_read_at_once(side: Side):
    session = side.installed()
    rows = [(box, place) for box in range(200) for place in range(200)]
    _write(session, "line", Change(("box", "place"), rows))
    table = session.inspect("line")
    assert set(session.read(table, (), rows)) == set(rows)
    assert session.count(table) >= 0
    assert session.dirty("line", rows) == set()


def test_rows_are_counted(side: Side):
    session, app = side.installed(), side.application()
    app.run("INSERT INTO label VALUES ('a', NULL), ('b', NULL)")
    if side.kind == "postgres":  # about: by what it knows of the table
        app.run("ANALYZE label")
    assert session.count(session.inspect("label")) == 2


def test_writing_updates_what_is_there_and_leaves_alone_what_is_not_named(side: Side):
    session, app = side.installed(), side.application()
    app.add_item(1)
    app.run("UPDATE item SET kept = 'by hand', size = 3")
    born = {"kept": "born", "size": 9}
    _write(session, "item", Change(COLUMNS, [item(1), item(2)], born=born))
    assert _all(session, "item", "id", "kept", "size") == [(1, "by hand", 3), (2, "born", 9)]


def test_writing_deletes_what_is_gone_and_minds_nothing_that_never_was(side: Side):
    session = side.installed()
    _write(session, "label", _labels(a="x", b="y"))
    _write(session, "label", Change(("name", "colour"), [("c", "z")], [("a",), ("nobody",)]))
    assert _all(session, "label") == [("b", "y"), ("c", "z")]


def test_a_table_of_nothing_but_its_key_is_written(side: Side):
    session = side.installed()
    _write(session, "line", Change(("box", "place"), [(1, 1)]))
    _write(session, "line", Change(("place", "box"), [(1, 1), (2, 1)]))
    assert _all(session, "line", "box", "place") == [(1, 1), (1, 2)]


def test_unique_values_move_between_the_rows_of_one_change(side: Side):
    session, app = side.installed(), side.application()
    _write(session, "item", Change(COLUMNS, [item(1, "a"), item(2, "b"), item(3, "c")]))
    app.run("UPDATE item SET kept = 'by hand', size = 3")
    moved = [item(1, "b"), item(2, "c"), item(4, "a", ref=UUID(int=3))]
    _write(session, "item", Change(COLUMNS, moved, [(3,)]))
    assert _all(session, "item", "id", "sku", "kept", "size") == [
        (1, "b", "by hand", 3),
        (2, "c", "by hand", 3),
        (4, "a", "as it was", None),
    ]
    swapped = [item(1, "b", ref=UUID(int=2)), item(2, "c", ref=UUID(int=1))]
    _write(session, "item", Change(COLUMNS, swapped))
    assert _all(session, "item", "id", "ref")[:2] == [(1, UUID(int=2)), (2, UUID(int=1))]


def test_a_unique_value_of_another_row_is_taken_and_the_transaction_goes_on(side: Side):
    session = side.installed()
    _write(session, "item", Change(COLUMNS, [item(1, "a"), item(2, "b"), item(3, "c")]))
    wanted = Change(COLUMNS, [item(1, "b"), item(4, "c"), item(5)], [(2,)])
    stuck = Change(COLUMNS, [item(1, "b"), item(4, "c"), item(5)])
    with session.applying(token=0, epoch=1, keys=[("item", (1,))]) as writer:
        with pytest.raises(UniqueTaken):
            writer.write("item", stuck)
        assert writer.taken("item", stuck) == {(2,), (3,)}
        assert writer.taken("item", wanted) == {(3,)}
        writer.write("label", _labels(after="all"))
    assert _all(session, "item", "id", "sku") == [(1, "a"), (2, "b"), (3, "c")]
    assert _all(session, "label", "name") == [("after",)]


@pytest.mark.parametrize(
    "row",
    [
        {"sku": None},
        {"size": -1},
        {"sku": "\ud800"},
        {"id": 2**70},
        {"tags": {1, 2}},
        {"day": object()},
    ],
    ids=["not null", "check", "no text", "too big", "no JSON", "no value"],
)
def test_a_row_that_is_refused_for_what_it_is(side: Side, row: dict[str, object]):
    session = side.installed()
    columns = (*COLUMNS, "size")
    bad = {**dict(zip(COLUMNS, item(1), strict=True)), "size": 1, **row}
    with pytest.raises(Unwritable) as caught:
        _write(session, "item", Change(columns, [tuple(bad[name] for name in columns)]))
    assert not isinstance(caught.value, UniqueTaken | ReferenceMissing)
    assert _all(session, "item") == []


def _lines(*references: tuple[int, int | None]) -> Change:
    return Change(
        ("box", "place", "item_id"), [(1, place, item_id) for place, item_id in references]
    )


def test_references_are_checked_at_the_end_in_any_order(side: Side):
    session = side.installed()
    with session.applying(token=0, epoch=1, keys=[("item", (1,))]) as writer:
        writer.write("line", _lines((1, 1), (2, None)))
        writer.write("item", Change(COLUMNS, [item(1)]))
        writer.write("thing", Change(("ref", "parent_id"), _family((2, 1), (1, 3), (3, None))))
    with session.applying(token=0, epoch=1, keys=[("item", (1,))]) as writer:
        writer.write("item", Change(COLUMNS, [], [(1,)]))
        writer.write("line", Change(("box", "place"), [], [(1, 1)]))
    assert _all(session, "line", "place") == [(2,)]
    assert len(_all(session, "thing")) == 3


def _family(*pairs: tuple[int, int | None]) -> list[tuple[object, ...]]:
    return [(UUID(int=one), None if parent is None else UUID(int=parent)) for one, parent in pairs]


def test_a_reference_that_leads_nowhere_undoes_everything(side: Side):
    session = side.installed()
    with (
        pytest.raises(ReferenceMissing) as caught,
        session.applying(token=0, epoch=1, keys=[("line", (1, 1))]) as writer,
    ):
        _both(writer, _labels(x="y"), _lines((1, 1)))
    assert caught.value.table in {"line", ""}
    assert "line" in str(caught.value)
    assert _all(session, "label") == []
    _write(session, "label", _labels(x="y"))


def _both(writer: Writer, labels: Change, lines: Change) -> None:
    writer.write("label", labels)
    writer.write("line", lines)


def test_a_row_that_is_referred_to_can_not_go_alone(side: Side):
    session = side.installed()
    with session.applying(token=0, epoch=1, keys=[("item", (1,))]) as writer:
        writer.write("item", Change(COLUMNS, [item(1)]))
        writer.write("line", _lines((1, 1)))
    with pytest.raises(ReferenceMissing):
        _write(session, "item", Change(COLUMNS, [], [(1,)]))
    assert len(_all(session, "item")) == 1


def test_who_refers_is_found_with_their_own_children(side: Side):
    session = side.installed()
    with session.applying(token=0, epoch=1, keys=[("item", (1,))]) as writer:
        writer.write("item", Change(COLUMNS, [item(1), item(2)]))
        writer.write("line", _lines((1, 1), (2, 1), (3, 2), (4, None)))
        family = _family((1, None), (2, 1), (3, 2), (4, 2), (5, None), (6, 5))
        writer.write("thing", Change(("ref", "parent_id"), family))
    with session.applying(token=0, epoch=1, keys=[("item", (1,))]) as writer:
        assert writer.referring("item", [(1,)]) == {"line": {(1, 1), (1, 2)}}
        assert writer.referring("item", [(9,)]) == {}
        things = writer.referring("thing", [(UUID(int=1),)])
        assert things == {"thing": {(UUID(int=n),) for n in (2, 3, 4)}}


def test_numbers_go_on_above_the_other_side_s(side: Side):
    session, app = side.installed(), side.application()
    assert session.last_number("item", "id") == 0
    _number(session, 40)
    _number(session, 7)
    assert session.last_number("item", "id") == 40
    assert _new_number(side) == 41
    app.run("DELETE FROM item")
    assert session.last_number("item", "id") == 41
    _number(session, 0)
    assert _new_number(side) == 42


def _number(session: Session, last: int) -> None:
    with session.step(token=0, epoch=1) as step:
        step.number_from("item", "id", last)


def _new_number(side: Side) -> int:
    ((number,),) = side.application().run(
        "INSERT INTO item (sku, price, on_sale, made, ref, tags) "
        "VALUES (?, 1, true, '2026-02-03 04:05:06+00:00', ?, '{}') RETURNING id",
        "new",
        UUID(int=99).hex,
    )
    return int(number)
