"""What is poured is what would have been carried row by row, in the same order of locks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from strangler.ladder import Arm
from strangler.transfer import backfill, bulk
from strangler.transfer.apply import Flow
from strangler.transfer.bulk import Bulk
from strangler.transfer.database import Session
from strangler.transfer.errors import Superseded
from strangler.transfer.filling import Filling
from strangler.transfer.mapping import Row, Rows, TableMap, Target
from strangler.transfer.pairing import pair
from strangler.transfer.postgres.lines import escaped, unescaped
from tests.servers import Postgres
from tests.strangler.transfer.sides import COLUMNS, PostgresSide, item

pytestmark = pytest.mark.postgres

ODD = "a\tb\nc\\d\\N\r\x0b\x0c\x08'\"😀"


class Service(PostgresSide):
    """The same rows under other names, and an item's in two tables; a line's key is turned."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        app = self.application()
        app.run("ALTER TABLE item DROP COLUMN tags, DROP COLUMN weight")
        app.run("ALTER TABLE item RENAME COLUMN title TO words")
        app.run("ALTER TABLE item RENAME TO product")
        app.run("ALTER TABLE label RENAME TO tag")
        app.run(
            "CREATE TABLE detail (number bigint PRIMARY KEY, tags jsonb, weight double precision,"
            " loud text, length integer, list jsonb)"
        )
        app.run("DROP TABLE line, thing")
        app.run("CREATE TABLE row (place integer, box bigint, twice integer, amount integer,"
                " item_id bigint, PRIMARY KEY (place, box))")  # fmt: skip


def _loud(row: Row) -> str | None:
    title: str | None = row["title"]
    return None if title is None else title.upper()


def _length(row: Row) -> int:
    return len(row["title"] or "")


def _list(row: Row) -> list[Any]:
    return [row["tags"], str(row["price"]), row["on_sale"]]


def _twice(row: Row) -> int:
    if row["amount"] == 13:
        raise ValueError("nothing is 13")
    return 2 * int(row["amount"])


def _title(rows: Rows) -> str | None:
    title: str | None = rows["product"]["words"]
    return title


_ITEM = {name: name for name in COLUMNS if name not in {"tags", "weight", "title"}}
MAPS = (
    TableMap(
        "item",
        Target("product", {**_ITEM, "words": "title"}),
        Target("detail", {"number": "id", "tags": "tags", "weight": "weight",
                          "loud": _loud, "length": _length, "list": _list}),
        down={"title": _title}, kept={"kept": "born", "size": None},
    ),
    TableMap("line", Target("row", {"box": "box", "place": "place", "item_id": "item_id",
                                     "amount": "amount", "twice": _twice})),
    TableMap("label", Target("tag", {"name": "name", "colour": "colour"})),
)  # fmt: skip
MINE, THEIRS = ("item", "line", "label"), ("product", "detail", "row", "tag")


class Both:
    """Two sides with rows on their way from the monolith."""

    def __init__(self, postgres: Postgres) -> None:
        self.mine, self.theirs = PostgresSide(postgres.create()), Service(postgres.create())
        self.monolith = self.mine.installed(tables=MINE)
        self.service = self.theirs.installed(tables=THEIRS, arm=Arm.SERVICE)
        pairing = pair(MAPS, self.monolith, self.service)
        self.flow = Flow(pairing, self.monolith, self.service, Arm.MONOLITH, 0, 1)
        self.bulk = Bulk(self.flow)
        self.app = self.mine.application()

    def add(self, count: int = 20) -> None:
        """Rows with something odd in each."""
        named = ", ".join(COLUMNS)
        put = f"INSERT INTO item ({named}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - our own
        from psycopg.types.json import Json  # what an application of ours would write

        for number in range(1, count + 1):
            title = [ODD, "", None, "\\N", "ß"][number % 5]
            tags = Json({ODD: [number, None, 0.5, ODD]})
            weight = [0.1, None, float("inf"), -1e-300][number % 4]
            price = Decimal("19.90") * number
            row = item(number, title=title, tags=tags, weight=weight, price=price)
            self.app.run(put, *row)
            self.app.run("INSERT INTO line VALUES (?, ?, ?, ?)", number, -number, number, 14)
            self.app.run("INSERT INTO label VALUES (?, ?)", f"{ODD}{number}", ODD)

    def carry(self) -> None:
        while self.monolith.pending():
            applied = self.bulk.batch()
            assert not applied.parked

    def rows(self) -> list[list[Any]]:
        app = self.theirs.application()
        asked = "SELECT * FROM {} ORDER BY 1, 2"
        return [app.run(asked.format(table)) for table in THEIRS]


@pytest.fixture
def both(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    monkeypatch.setattr(bulk, "MANY", 1)
    made = Both(postgres)
    yield made
    for side in (made.mine, made.theirs):
        side.close()
        postgres.drop(side.url)


def by_row(both: Both) -> None:
    while both.monolith.pending():
        assert not both.flow.batch().parked


def test_it_is_what_would_have_been_carried_row_by_row(both: Both, monkeypatch: pytest.MonkeyPatch):
    both.add()
    with monkeypatch.context() as patch:
        patch.setattr(Flow, "carry", lambda *_: pytest.fail("this was not poured"))
        patch.setattr(Bulk, "_by_row", lambda *_: None)
        both.carry()
    poured = both.rows()
    assert [len(rows) for rows in poured] == [20, 20, 20, 20]
    app = both.theirs.application()
    for table in THEIRS:
        app.run("SET strangler.mover = 'catalog'")
        app.run(f"DELETE FROM {table}")  # noqa: S608 - our own words
    both.app.run("UPDATE item SET id = id")
    both.app.run("UPDATE line SET amount = amount")
    both.app.run("UPDATE label SET colour = colour")
    by_row(both)
    assert both.rows() == poured


def test_rows_that_are_there_are_written_over_and_what_no_map_names_is_kept(both: Both):
    both.add()
    both.carry()
    app = both.theirs.application()
    app.run("SET strangler.mover = 'catalog'")
    app.run("UPDATE product SET kept = 'theirs'")
    both.app.run("UPDATE item SET title = 'another', sku = 'x' || id")
    both.app.run("UPDATE line SET amount = 3 WHERE box < 10")
    both.app.run("DELETE FROM line WHERE box > 15")
    both.app.run("INSERT INTO label VALUES ('new', 'red')")
    both.carry()
    items = app.run("SELECT words, sku, kept, loud FROM product JOIN detail ON number = id")
    assert sorted(items) == sorted(("another", f"x{n}", "theirs", "ANOTHER") for n in range(1, 21))
    lines = app.run("SELECT place, box, twice FROM row ORDER BY box")
    assert lines == [(-n, n, 6 if n < 10 else 28) for n in range(1, 16)]
    assert app.run("SELECT count(*) FROM tag") == [(21,)]


def test_a_unique_value_may_move_between_rows(both: Both):
    both.add(3)
    both.carry()
    with both.app.transaction():
        both.app.run("UPDATE item SET sku = 'aside' WHERE id = 1")
        both.app.run("UPDATE item SET sku = 'sku-1' WHERE id = 2")
        both.app.run("UPDATE item SET sku = 'sku-2' WHERE id = 1")
    both.carry()
    found = both.theirs.application().run("SELECT id, sku FROM product ORDER BY id")
    assert found == [(1, "sku-2"), (2, "sku-1"), (3, "sku-3")]


def test_a_row_that_no_mapping_accepts_is_parked_alone(both: Both):
    both.add()
    both.app.run("UPDATE line SET amount = 13 WHERE box = 7")
    parked = both.bulk.batch().parked
    assert [(one.table, one.key) for one in parked] == [("line", (7, -7))]
    both.carry()
    found = both.theirs.application().run("SELECT box FROM row ORDER BY 1")
    assert found == [(n,) for n in range(1, 21) if n != 7]


def filling(both: Both) -> Filling:
    """A backfill beside the carrying, two keys at a time."""
    return Filling(
        both.flow,
        source=both.mine.database(tables=MINE),
        target=both.theirs.database(tables=THEIRS, arm=Arm.SERVICE),
        chunk=2,
    )


def test_a_backfill_beside_the_carrying_brings_every_row(
    both: Both, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(backfill, "ROOM", 3)
    both.app.run("INSERT INTO label VALUES ('from an earlier climb', 'red')")
    both.carry()
    both.app.run("DELETE FROM label")
    both.add()
    with both.monolith.step(token=0, epoch=1) as step:
        step.empty_journal()
    seen = []
    with filling(both) as beside:
        while beside.more():
            seen.append(both.monolith.pending())
            both.bulk.batch()
    both.carry()
    assert beside.progress.done
    assert 0 < max(seen) <= 3 + 2
    poured = both.rows()
    assert [len(rows) for rows in poured] == [20, 20, 20, 20]
    by_row(both)
    assert both.rows() == poured


def test_a_backfill_beside_the_carrying_ends_where_it_was_superseded(both: Both):
    both.add()
    both.monolith.seize(5)
    with filling(both) as beside:
        until = time.monotonic() + 10
        while beside.failure is None and time.monotonic() < until:
            time.sleep(0.01)
        with pytest.raises(Superseded):
            beside.more()
    assert not beside.progress.done


def test_a_backfill_that_nobody_waits_for_ends_with_the_mover(
    both: Both, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(backfill, "ROOM", -1)
    with filling(both) as beside:
        assert beside.more()
    assert not beside.more()
    assert beside.progress.enqueued == 0


def test_nothing_is_poured_by_whoever_was_superseded(both: Both):
    both.add()
    both.service.seize(5)
    with pytest.raises(Superseded):
        both.bulk.batch()
    assert [len(rows) for rows in both.rows()] == [0, 0, 0, 0]
    assert both.monolith.pending() == 60


def test_the_source_is_read_once_the_target_s_keys_are_locked(both: Both):
    both.add(1)
    both.app.run("DELETE FROM line")
    both.app.run("DELETE FROM label")
    with both.theirs.session(tables=THEIRS, arm=Arm.SERVICE).applying(
        token=0, epoch=1, keys=[("item", (1,))]
    ):
        thread = threading.Thread(target=both.bulk.batch)
        thread.start()
        wait_for_lock(both.theirs)
        both.app.run("UPDATE item SET title = 'later'")
    thread.join()
    assert both.theirs.application().run("SELECT words FROM product") == [("later",)]


def wait_for_lock(side: PostgresSide) -> None:
    app, until = side.application(), time.monotonic() + 10
    asked = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while app.run(asked) == [(0,)]:
        assert time.monotonic() < until, "it waits for no lock"
        time.sleep(0.01)


def test_kinds_that_differ_are_looked_at(both: Both):
    table = both.monolith.inspect("item")
    other = both.service.inspect("detail")
    target = Target("detail", {"number": "id", "loud": "price"})
    assert both.monolith.pourer(both.service, table, [(target, other)]) is None
    assert Session.pourer(both.monolith, both.service, table, [(target, other)]) is None


@pytest.mark.parametrize("text", [ODD, "", "\\", "\\\\n", "\\N"])
def test_a_text_is_itself_again(text: str):
    field = escaped(text.encode())
    assert not set(field) & set(b"\t\n\r")
    assert unescaped(field).decode() == text


def called_dirty(both: Both, table: str, *, chunk: int) -> None:
    """All rows of a table, as spans, and nothing else."""
    with both.monolith.step(token=0, epoch=1) as step:
        step.empty_journal()
    after = None
    with both.monolith.step(token=0, epoch=1) as step:
        while (after := step.enqueue_chunk(table, after, chunk)) is not None:
            pass


def test_a_span_is_as_long_as_it_was_however_the_mover_ends(both: Both):
    both.add()
    called_dirty(both, "item", chunk=8)
    other = both.mine.session(tables=MINE)
    assert both.monolith.pending() == 20
    first = both.monolith.claim(100)
    claim = first.__enter__()
    assert len(list(claim.entries)) == 8
    assert (both.monolith.pending(), other.pending()) == (20, 20)
    with other.claim(100) as second:
        mine, theirs = ({entry.key for entry in one.entries} for one in (claim, second))
        assert (len(theirs), mine & theirs) == (8, set())
    killed = RuntimeError("as if it were killed")
    assert not first.__exit__(RuntimeError, killed, None)
    assert other.pending() == 12
    both.carry()
    assert len(both.rows()[0]) == 12


def test_what_is_written_within_a_span_counts(both: Both, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulk, "MANY", 1)
    both.add()
    called_dirty(both, "item", chunk=100)
    both.app.run("DELETE FROM line WHERE item_id IN (3, 4, 5)")
    both.app.run("DELETE FROM item WHERE id = 3")
    both.app.run("UPDATE item SET title = 'later' WHERE id = 4")
    both.app.run("UPDATE item SET id = 21, sku = 'moved' WHERE id = 5")
    both.carry()
    found = dict(both.theirs.application().run("SELECT id, words FROM product"))
    assert found.keys() == {1, 2, 4, *range(6, 22)}
    assert found[4] == "later"


def test_a_row_that_goes_once_it_was_carried_with_a_span_goes(both: Both):
    both.add()
    called_dirty(both, "item", chunk=100)
    both.carry()
    with both.monolith.step(token=0, epoch=1) as step:
        step.empty_journal()
        assert step.enqueue_chunk("item", None, 100) == (20,)
    both.app.run("DELETE FROM line")
    both.app.run("DELETE FROM item WHERE id < 4")
    both.carry()
    found = both.theirs.application().run("SELECT id FROM product ORDER BY id")
    assert [number for (number,) in found] == list(range(4, 21))


def test_a_span_with_a_row_that_no_mapping_accepts_is_spread(both: Both):
    both.add()
    both.app.run("UPDATE line SET amount = 13 WHERE box = 7")
    called_dirty(both, "line", chunk=100)
    applied = both.bulk.batch()
    assert [one.key for one in applied.parked] == [(7, -7)]
    assert both.monolith.pending() == 19
    both.carry()
    assert len(both.rows()[2]) == 19
    both.app.run("UPDATE line SET amount = 12 WHERE box = 7")
    both.carry()
    assert both.monolith.count_parked() == 0
    assert len(both.rows()[2]) == 20


def test_keys_within_a_span_are_dirty_and_others_are_not(both: Both):
    both.add()
    called_dirty(both, "line", chunk=5)
    with both.monolith.claim(100):
        pass  # the first span is carried
    keys = [(number, -number) for number in (0, 1, 5, 6, 20, 21)]
    assert both.monolith.dirty("line", keys) == {(6, -6), (20, -20)}
    assert both.monolith.dirty("line", []) == set()
    age = both.monolith.oldest()
    assert age is not None
    assert 0 <= age < 60
