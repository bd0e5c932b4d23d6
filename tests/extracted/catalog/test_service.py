"""What the service does with its tables, on either database."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import delete, event, func, select
from sqlalchemy.exc import IntegrityError, InternalError

from contracts.catalog import InvalidPrice, NotAllowed, UnknownProduct
from contracts.money import Money
from extracted.catalog.migrating import SCHEMA
from extracted.catalog.models import Base, Category, Price, Product, ProductVersion
from extracted.catalog.search import Wanted
from extracted.catalog.service import (
    CatalogService,
    CategoryExists,
    ProductExists,
    UnknownCategory,
    _find,
)
from strangler.ports.context import use
from strangler.ports.errors import DeclaredError
from strangler.sqlalchemy.database import Away, Database, NoDatabase
from tests.extracted.tables import emptied
from tests.monolith.people import FOR_CUSTOMER, FOR_STAFF


def eur(amount: str) -> Money:
    return Money(Decimal(amount), "EUR")


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def migrated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path_factory.mktemp('catalog') / 'catalog.sqlite3'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").create()
    with Database(url) as database:
        SCHEMA.migrate(database)
        yield database


@pytest.fixture
def database(migrated: Database) -> Database:
    """No rows are in it yet."""
    return emptied(migrated, Base.metadata)


@pytest.fixture
def shop(catalog: CatalogService) -> Iterator[CatalogService]:
    """Staff's view of a catalog with one hoe."""
    for path in ("garden", "garden/tools"):
        catalog.create_category(path=path, name=path.title())
    catalog.create(sku="HOE-1", name="Hoe", category="garden", price=eur("9.99"))
    with use(FOR_STAFF):
        yield catalog


def stored(database: Database, sku: str = "HOE-1") -> tuple[Product, Price]:
    with database.reading() as session:
        return session.get_one(Product, sku), session.get_one(Price, sku)


def test_what_is_stored_is_in_utc_and_exact(shop: CatalogService, database: Database):
    before = datetime.now(UTC)
    shop.reprice("HOE-1", eur("10.5"))
    product, price = stored(database)
    assert price.ten_thousandths == 105_000
    assert product.added_at.tzinfo is UTC
    assert product.added_at <= before <= product.changed_at <= datetime.now(UTC)
    assert (product.withdrawn, product.words) == (False, "hoe-1\nhoe\n")
    with database.reading() as session:
        depths = select(Category.path, Category.depth).order_by(Category.path)
        assert session.execute(depths).all() == [("garden", 1), ("garden/tools", 2)]


def test_nothing_is_written_where_only_reading_is_meant(shop: CatalogService, database: Database):
    try:
        with database.reading() as session:
            session.get_one(Product, "HOE-1").title = "Spade"
            session.flush()
    except InternalError as error:
        assert "read-only" in str(error)  # noqa: PT017 -- PostgreSQL alone refuses at once
    assert stored(database)[0].title == "Hoe"
    assert shop.update("HOE-1", name="Axe").name == "Axe"


def test_a_change_that_fails_changes_nothing(shop: CatalogService, database: Database):
    before, _ = stored(database)
    with pytest.raises(UnknownCategory):
        shop.update("HOE-1", name="Another", category="nowhere")
    with pytest.raises(InvalidPrice):
        shop.reprice("HOE-1", eur("1.001"))
    after, price = stored(database)
    assert (after.title, after.changed_at) == ("Hoe", before.changed_at)
    assert price.ten_thousandths == 99_900


def test_what_is_taken_is_said_to_be_and_stays(shop: CatalogService, database: Database):
    with pytest.raises(ProductExists):
        shop.create(sku="HOE-1", name="Other", category="garden", price=eur("1"))
    with pytest.raises(CategoryExists):
        shop.create_category(path="garden/tools", name="Other")
    assert stored(database)[0].title == "Hoe"


def test_a_database_that_refuses_for_another_reason_is_not_hidden(
    shop: CatalogService, database: Database
):
    """What refuses a write at the fence looks like a broken constraint to SQLite."""
    deny, allow = {
        "sqlite": (
            "CREATE TRIGGER deny BEFORE INSERT ON product BEGIN SELECT RAISE(ABORT, 'denied'); END",
            "DROP TRIGGER deny",
        ),
        "postgresql": (
            "ALTER TABLE product ADD CONSTRAINT deny CHECK (sku <> 'HOE-2')",
            "ALTER TABLE product DROP CONSTRAINT deny",
        ),
    }[database.engine.dialect.name]
    with database.transaction() as session:
        session.connection().exec_driver_sql(deny)
    with pytest.raises(IntegrityError, match="den"):
        shop.create(sku="HOE-2", name="Hoe", category="garden", price=eur("1"))
    with database.transaction() as session:
        session.connection().exec_driver_sql(allow)


def test_only_staff_reprice(shop: CatalogService):
    with use(FOR_CUSTOMER), pytest.raises(NotAllowed):
        shop.reprice("HOE-1", eur("1"))
    with pytest.raises(UnknownProduct):
        shop.reprice("NONE", eur("1"))
    assert shop.product("HOE-1").price == eur("9.99")


def test_many_products_are_one_query(shop: CatalogService, database: Database):
    for number in range(30):
        shop.create(sku=f"P-{number}", name="P", category="garden", price=eur("1"))
    asked = [f"P-{number}" for number in reversed(range(30))]
    with counted(database) as statements:
        assert [found.sku for found in shop.products(["NONE", *asked, "\0"])] == asked
    assert len(statements) == 1
    with counted(database) as statements:
        assert len(shop.page(Wanted(category="garden"), offset=10, limit=5)) == 5
    assert len(statements) == 1


class counted:  # noqa: N801 -- it is used as a function
    """The statements that are executed meanwhile."""

    def __init__(self, database: Database) -> None:
        self._engine = database.engine
        self._found: list[str] = []

    def __enter__(self) -> list[str]:
        event.listen(self._engine, "before_cursor_execute", self._note)
        return self._found

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._note)

    def _note(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT"):
            self._found.append(statement)


def test_nothing_is_lost_between_a_change_and_a_reprice(shop: CatalogService, database: Database):
    """Each of them reads before it writes, and the other one's write must not be undone by it."""
    errors: list[BaseException] = []

    def work(step: Any) -> None:
        try:
            with use(FOR_STAFF):
                for number in range(20):
                    step(number)
        except BaseException as error:  # noqa: BLE001 -- it is told below
            errors.append(error)

    steps = (
        lambda number: shop.update("HOE-1", name=f"Hoe {number}"),
        lambda number: shop.update("HOE-1", description=f"Nr {number}"),
        lambda number: shop.reprice("HOE-1", eur(f"{number + 1}")),
    )
    threads = [threading.Thread(target=work, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    found = shop.product("HOE-1")
    assert (found.name, found.description, found.price) == ("Hoe 19", "Nr 19", eur("20"))
    assert stored(database)[0].words == "hoe-1\nhoe 19\nnr 19"


def test_who_changes_a_product_waits_for_whoever_has_read_it_to_change_it(
    shop: CatalogService, database: Database
):
    """Both derive the searchable text from what they have read."""
    change = threading.Thread(target=shop.update, args=("HOE-1",), kwargs={"description": "Sharp"})
    with database.transaction() as session:
        row = _find(session, "HOE-1", lock=True)
        change.start()
        change.join(0.3)
        assert change.is_alive()
        row.title, row.words = "Axe", "hoe-1\naxe\n"
    change.join()
    assert stored(database)[0].words == "hoe-1\naxe\nsharp"


def test_one_of_many_creates_a_sku(shop: CatalogService, database: Database):
    said: list[str] = []

    def create() -> None:
        try:
            shop.create(sku="NEW-1", name="New", category="garden", price=eur("1"))
            said.append("created")
        except ProductExists:
            said.append("exists")

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["created", *["exists"] * 5]


def test_rows_come_in_any_order_within_a_transaction_and_none_goes_by_itself(
    shop: CatalogService, database: Database
):
    now = datetime.now(UTC)
    with database.transaction() as session:
        session.add(Price(sku="LATE-1", ten_thousandths=1, currency="EUR"))
        session.flush()
        session.add(
            Product(
                sku="LATE-1", title="", details="", category_id=77, attributes={}, words="",
                withdrawn=False, added_at=now, changed_at=now,
            )
        )  # fmt: skip
        session.flush()
        session.add(Category(id=77, parent_id=None, slug="x", title="X", path="x", depth=1))
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.add(Price(sku="ORPHAN-1", ten_thousandths=1, currency="EUR"))
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.delete(session.get_one(Category, 77))
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Price)) == 2


def test_the_database_itself_refuses_a_price_of_nothing(shop: CatalogService, database: Database):
    with pytest.raises(IntegrityError, match="price_positive"), database.transaction() as session:
        session.get_one(Price, "HOE-1").ten_thousandths = 0


def test_an_attribute_is_the_same_only_as_text(shop: CatalogService, database: Database):
    """A row may hold what no request of ours has put there."""
    with database.transaction() as session:
        session.get_one(Product, "HOE-1").attributes = {"n": 1, "l": ["x"], "t": "1", "a-b": "é"}
    for (key, value), found in (
        (("n", "1"), 0), (("l", "x"), 0), (("t", "1"), 1), (("t", "2"), 0), (("a-b", "é"), 1),
    ):  # fmt: skip
        assert shop.count(Wanted(attributes=[(key, value)])) == found


def test_a_database_out_of_reach_is_said_to_be():
    nowhere = CatalogService(Database("postgresql://nobody@127.0.0.1:9/none"))
    with pytest.raises(Away):
        nowhere.product("HOE-1")
    with pytest.raises(Away):
        nowhere.create_category(path="x", name="X")


@pytest.mark.parametrize("url", ["", "x", "mysql://a/b", "sqlite://", "postgresql://user:pw@host"])
def test_an_address_that_is_none_is_not_repeated(url: str):
    with pytest.raises(NoDatabase) as refused:
        Database(url)
    assert "pw" not in str(refused.value).replace("password", "")


def said(database: Database) -> list[tuple[str, int, dict[str, Any]]]:
    """What was said since this was asked last."""
    outbox = Base.metadata.tables["strangler_outbox"]
    with database.transaction() as session:
        rows = session.execute(select(outbox).order_by(outbox.c.position)).all()
        session.execute(delete(outbox))
    return [(row.type.rpartition(".")[2], row.version, json.loads(row.payload)) for row in rows]


def test_what_changes_a_product_says_so(shop: CatalogService, database: Database):
    hoe = {
        "sku": "HOE-1",
        "name": "Hoe",
        "category": "garden",
        "price": {"amount": "9.99", "currency": "EUR"},
        "active": True,
    }
    assert said(database) == [("changed", 1, hoe)]

    shop.update("HOE-1", name="Rake", category="garden/tools", active=False)
    hoe |= {"name": "Rake", "category": "garden/tools", "active": False}
    assert said(database) == [("changed", 2, hoe)]
    shop.reprice("HOE-1", eur("11"))
    hoe |= {"price": {"amount": "11.00", "currency": "EUR"}}
    assert said(database) == [("changed", 3, hoe)]

    for vain in (
        lambda: shop.reprice("HOE-1", eur("11.001")),
        lambda: shop.update("HOE-1", category="nowhere"),
        lambda: shop.create(sku="HOE-1", name="X", category="garden", price=eur("1")),
    ):
        with pytest.raises(DeclaredError):
            vain()
    assert said(database) == []
    with database.reading() as session:
        (count,) = session.scalars(select(ProductVersion)).all()
    assert (count.aggregate, count.version) == ("catalog.product/HOE-1", 3)


def test_products_are_said_again_one_part_after_the_other(shop: CatalogService, database: Database):
    for number in range(2, 6):
        shop.create(sku=f"HOE-{number}", name="Hoe", category="garden", price=eur("1"))
    said(database)
    parts = []

    last = shop.announce(None, 2)
    while last is not None:
        parts.append((last, [(what["sku"], version) for _, version, what in said(database)]))
        last = shop.announce(last, 2)

    assert parts == [
        ("HOE-2", [("HOE-1", 2), ("HOE-2", 2)]),
        ("HOE-4", [("HOE-3", 2), ("HOE-4", 2)]),
        ("HOE-5", [("HOE-5", 2)]),
    ]
