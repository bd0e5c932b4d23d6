"""Writing on the target: few rows and many, values that move, references, keys that are locked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from strangler.ladder import Arm
from strangler.transfer.database import Change, Session
from strangler.transfer.errors import ReferenceMissing, UniqueTaken, Unwritable
from strangler.transfer.postgres import PostgresDatabase

pytestmark = pytest.mark.postgres
CATEGORY = ("id", "name")


def write(session: Session, table: str, change: Change) -> None:
    with session.applying(token=1, epoch=1, keys=[]) as writer:
        writer.write(table, change)


def names(app: psycopg.Connection) -> dict[int, str]:
    return dict(app.execute("SELECT id, name FROM category").fetchall())


@pytest.mark.parametrize("many", [1, 300])
def test_rows_are_inserted_updated_and_born(session: Session, app: psycopg.Connection, many: int):
    rows = [(f"s{n}", f"t{n}") for n in range(many)]
    write(session, "product", Change(("sku", "title"), list(rows), born={"note": "born"}))
    app.execute("UPDATE product SET note = 'kept', amount = 3")
    again = [(sku, "new") for sku, _ in rows] + [("more", "new")]
    write(session, "product", Change(("sku", "title"), again, [("nobody",)], {"note": "born"}))
    query = "SELECT title, note, amount, count(*) FROM product GROUP BY 1, 2, 3 ORDER BY 4 DESC, 2"
    assert sorted(app.execute(query).fetchall(), key=str) == sorted(
        [("new", "kept", Decimal(3), many), ("new", "born", None, 1)], key=str
    )
    write(session, "product", Change(("sku", "title"), gone=[(sku,) for sku, _ in again]))
    assert app.execute("SELECT count(*) FROM product").fetchone() == (0,)


@pytest.mark.parametrize("many", [2, 300])
def test_unique_values_move_between_the_rows_of_a_change(
    session: Session, app: psycopg.Connection, many: int
):
    numbers = range(1, many + 1)
    write(session, "category", Change(CATEGORY, [(n, f"c{n}") for n in numbers]))
    turned = [(n, f"c{n % many + 1}") for n in numbers]
    write(session, "category", Change(CATEGORY, [*turned, (many + 1, "new")]))
    assert names(app) == dict(turned) | {many + 1: "new"}


def test_a_swap_neither_loses_what_is_not_named_nor_what_refers_to_it(
    session: Session, app: psycopg.Connection
):
    """Deleting a row to insert it again would take its children along, by ON DELETE CASCADE."""
    app.execute("ALTER TABLE category ADD kept text")
    app.execute("INSERT INTO category VALUES (1, 'one', 'k1'), (2, 'two', 'k2')")
    app.execute("INSERT INTO product (sku, category_id, title) VALUES ('a', 1, 'A'), ('b', 2, 'B')")
    app.execute("INSERT INTO stock VALUES ('a', 7, 70)")
    write(session, "category", Change(CATEGORY, [(1, "two"), (2, "one")]))
    rows = app.execute("SELECT * FROM category ORDER BY id").fetchall()
    assert rows == [(1, "two", "k1"), (2, "one", "k2")]
    products = app.execute("SELECT sku, category_id, title FROM product ORDER BY sku").fetchall()
    assert products == [("a", 1, "A"), ("b", 2, "B")]
    assert app.execute("SELECT * FROM stock").fetchall() == [("a", 7, 70)]


def test_a_value_that_another_row_holds_is_taken_and_the_transaction_goes_on(
    session: Session, app: psycopg.Connection
):
    app.execute("INSERT INTO category VALUES (1, 'one'), (2, 'two')")
    change = Change(CATEGORY, [(3, "three"), (4, "two")])
    with session.applying(token=1, epoch=1, keys=[]) as writer:
        with pytest.raises(UniqueTaken) as caught:
            writer.write("category", change)
        assert caught.value.table == "category"
        assert writer.taken("category", change) == {(2,)}
        writer.write("category", Change(CATEGORY, [(3, "three"), (4, "two"), (2, "five")]))
    assert names(app) == {1: "one", 2: "five", 3: "three", 4: "two"}


def test_a_reference_may_come_late_and_must_come(session: Session, app: psycopg.Connection):
    product = Change(("sku", "category_id", "title"), [("a", 1, "A")])
    with pytest.raises(ReferenceMissing):
        write(session, "product", product)
    with session.applying(token=1, epoch=1, keys=[]) as writer:
        writer.write("product", product)
        writer.write("category", Change(CATEGORY, [(1, "one")]))
    with session.applying(token=1, epoch=1, keys=[]) as writer:
        writer.write("stock", Change(("sku", "place"), [("a", 3)]))
        assert writer.referring("category", [(1,), (9,)]) == {
            "product": {("a",)},
            "stock": {("a", 3)},
        }


@pytest.mark.parametrize("many", [0, 300])
def test_a_row_that_is_refused_is_named_by_its_table(session: Session, many: int):
    rows = [(f"s{n}", "fits") for n in range(many)] + [("a", "x" * 41)]
    with pytest.raises(Unwritable) as caught:
        write(session, "product", Change(("sku", "title"), rows))
    assert "varying(40)" in str(caught.value)
    with pytest.raises(Unwritable):
        write(session, "product", Change(("sku", "title"), [("\0", "nul")]))


def test_a_writer_waits_for_the_key_that_another_has(session: Session, database: PostgresDatabase):
    """Applying without it loses updates: who has read last writes first, and is overwritten."""
    order = []

    def second() -> None:
        other = database.session()
        with other.applying(token=1, epoch=1, keys=[("category", (1,))]):
            order.append("second")
        other.close()

    thread = threading.Thread(target=second)
    with session.applying(token=1, epoch=1, keys=[("category", (1,)), ("category", (2,))]):
        thread.start()
        time.sleep(0.3)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_keys_are_locked_in_one_order(database: PostgresDatabase, session: Session):
    keys = [("category", (n,)) for n in range(2000)]
    failed: list[Exception] = []

    def apply(mine: Sequence[Any]) -> None:
        own = database.session()
        try:
            for _ in range(20):
                with own.applying(token=1, epoch=1, keys=mine):
                    pass
        except Exception as error:  # noqa: BLE001 - told below
            failed.append(error)
        own.close()

    threads = [threading.Thread(target=apply, args=(part,)) for part in (keys, keys[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failed == []


@pytest.fixture
def odd(postgres_url: str) -> Iterator[Session]:
    with psycopg.connect(postgres_url, autocommit=True) as app:
        app.execute("CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN short AS varchar(9)")
        app.execute(
            "CREATE TABLE odd (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ref uuid,"
            " n numeric, r float8, at timestamptz, local timestamp, day date, hour time,"
            " took interval, raw bytea, doc jsonb, old json, tags text[], grid int[], kind mood,"
            " address inet, span int4range, domain short, yes boolean, fixed char(5),"
            " twice numeric GENERATED ALWAYS AS (n * 2) STORED)"
        )
    session = PostgresDatabase(
        postgres_url, capability="odd", arm=Arm.SERVICE, tables=["odd"]
    ).session()
    session.install(owner=Arm.MONOLITH, epoch=1)
    session.seize(1)
    yield session
    session.close()


VALUES: tuple[dict[str, object], ...] = (
    {
        "ref": UUID(int=5),
        "n": Decimal("12345678901234567890.10"),
        "r": 0.1,
        "at": datetime(2026, 2, 3, 4, 5, 6, 70, tzinfo=UTC),
        "local": datetime(2026, 2, 3, 4, 5),  # noqa: DTZ001 - it has none
        "day": datetime(2026, 2, 3, tzinfo=UTC).date(),
        "took": timedelta(days=2, microseconds=5),
        "raw": b"\x00\xff\\'",
        "doc": {"a": [1, None, "ü"], "b": 0.5},
        "old": ["\t", "\\N"],
        "tags": ["a,b", 'q"', None, "", "NULL", "{}", "\\"],
        "grid": [1, None, -3],
        "kind": "glad",
        "address": "10.0.0.1/8",
        "span": "[1,5)",
        "domain": "\\N",
        "yes": False,
        "fixed": "ab   ",
    },
    {"at": "infinity", "day": "-infinity", "took": "1 mon 2 days", "r": float("inf"), "tags": []},
    {"local": "0044-03-15 12:00:00 BC", "doc": "text", "old": 5, "domain": "", "raw": b""},
    {},
)


@pytest.mark.parametrize("many", [1, 60])
@pytest.mark.parametrize("values", VALUES)
def test_values_come_back_as_they_went(odd: Session, values: dict[str, object], many: int):
    table = odd.inspect("odd")
    columns = table.writable
    assert "twice" not in columns
    row = [values.get(name) for name in columns]
    rows = [(n, *row[1:]) for n in range(1, many + 1)]
    write(odd, "odd", Change(columns, rows))
    write(odd, "odd", Change(columns, rows))  # as an update, too
    read = odd.read(table, columns, [(many,)])[many,]
    assert dict(read) == {name: values.get(name) for name in columns} | {"id": many}
    assert [type(read[name]) for name in values] == [type(value) for value in values.values()]
    assert odd.count(table) == many
