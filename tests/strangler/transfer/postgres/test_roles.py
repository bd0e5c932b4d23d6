"""A mover whose login role is its own, and no superuser."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from strangler.ladder import Arm
from strangler.transfer.database import Change, Session
from strangler.transfer.errors import Unfit
from strangler.transfer.postgres import PostgresDatabase
from tests.strangler.transfer.postgres.conftest import TABLES, Connect, fence, start

pytestmark = pytest.mark.postgres


@pytest.fixture
def mover(url: str, app: psycopg.Connection) -> Iterator[Session]:
    """Tables that belong to one role; a mover and an application that are two others."""
    app.execute("CREATE ROLE shop_owner; CREATE ROLE shop LOGIN; CREATE ROLE mover LOGIN")
    app.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    for name in TABLES:
        app.execute(f"ALTER TABLE {name} OWNER TO shop_owner")
    app.execute("GRANT INSERT, SELECT ON category TO shop")
    app.execute("GRANT USAGE ON SEQUENCE category_id_seq TO shop")
    where = url.replace("postgres@", "mover@")
    session = PostgresDatabase(
        where, capability="catalog", arm=Arm.MONOLITH, tables=TABLES
    ).session()
    yield session
    session.close()
    app.execute("DROP OWNED BY mover, shop, shop_owner CASCADE")
    app.execute("DROP ROLE mover, shop, shop_owner")


def granted(mover: Session, app: psycopg.Connection) -> None:
    app.execute("GRANT shop_owner TO mover; GRANT CREATE ON SCHEMA public TO mover")
    mover.install(owner=Arm.MONOLITH, epoch=1)
    mover.seize(1)
    start(mover)


def test_all_that_is_to_be_granted_is_named_at_once(mover: Session, app: psycopg.Connection):
    app.execute("ALTER TABLE stock DROP CONSTRAINT stock_pkey")
    with pytest.raises(Unfit) as caught:
        mover.install(owner=Arm.MONOLITH, epoch=1)
    said = str(caught.value)
    assert 'GRANT "shop_owner" TO "mover"' in said
    assert 'GRANT CREATE ON SCHEMA "public" TO "mover"' in said
    assert "stock: it has no primary key" in said
    assert len(caught.value.problems) == 3


def test_it_captures_and_fences_and_passes(
    mover: Session, app: psycopg.Connection, connect: Connect
):
    granted(mover, app)
    assert mover.missing() == []
    shop = connect("shop")
    shop.execute("INSERT INTO category (name) VALUES ('by the shop')")
    assert mover.pending() == 1
    fence(mover, up=True)
    with pytest.raises(psycopg.DatabaseError, match="fence of catalog"):
        shop.execute("INSERT INTO category (name) VALUES ('more')")
    with mover.applying(token=1, epoch=1, keys=[]) as writer:
        writer.write("category", Change(("id", "name"), [(9, "by the mover")]))
        writer.write("category", Change(("id", "name"), [(9 + n, f"{n}") for n in range(200)]))
        writer.write("product", Change(("sku", "category_id", "title"), [("a", 9, "A")]))
    # A cascade runs as the table's owner, who is not the mover: only the session's user is.
    with mover.applying(token=1, epoch=1, keys=[]) as writer:
        writer.write("category", Change(("id", "name"), gone=[(9,)]))
    assert app.execute("SELECT count(*) FROM product").fetchone() == (0,)
    assert app.execute("SELECT count(*) FROM category").fetchone() == (200,)
    shop.close()


def test_an_application_can_neither_hide_nor_read_the_journal(
    mover: Session, app: psycopg.Connection, connect: Connect
):
    granted(mover, app)
    shop = connect("shop")
    with shop.transaction():
        shop.execute("SELECT set_config('strangler.mover', 'catalog', true)")
        shop.execute("INSERT INTO category (name) VALUES ('hidden')")
    assert mover.pending() == 1
    assert shop.execute("SELECT owner FROM strangler_owner").fetchone() == ("monolith",)
    assert shop.execute("SELECT strangler_ask('catalog')").fetchone() == (1,)
    assert shop.execute("SELECT strangler_ask('nothing')").fetchone() == (None,)
    for query in (
        "SELECT key FROM strangler_journal",
        "UPDATE strangler_owner SET epoch = 2",
        "UPDATE strangler_asked SET answered = 1",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            shop.execute(query)
    shop.close()


def test_triggers_that_let_another_role_pass_are_named_and_made_again(
    mover: Session, app: psycopg.Connection, url: str
):
    granted(mover, app)
    database = PostgresDatabase(url, capability="catalog", arm=Arm.MONOLITH, tables=TABLES)
    session = database.session()
    session.install(owner=Arm.MONOLITH, epoch=1)
    assert session.missing() == []
    fence(session, up=True)
    with session.applying(token=1, epoch=1, keys=[]) as writer:
        writer.write("category", Change(("id", "name"), [(9, "by another mover")]))
    with (
        pytest.raises(Unfit, match="install again"),
        mover.applying(token=1, epoch=1, keys=[]) as writer,
    ):
        writer.write("category", Change(("id", "name"), [(9, "by the one before")]))
    session.close()
