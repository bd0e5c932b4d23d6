"""What the how-to grants to the mover is all that it needs: no more, and no less."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from strangler.ladder import Arm
from strangler.transfer.database import Session
from strangler.transfer.errors import Unfit
from strangler.transfer.postgres import PostgresDatabase
from tests.docs.reading import ROOT, blocks
from tests.servers import Postgres

pytestmark = pytest.mark.postgres

PAGE = ROOT / "docs" / "how-to" / "move-tables.md"


def statements() -> list[str]:
    """The page's own."""
    (text,) = (block.text for block in blocks(PAGE) if block.text.startswith("CREATE ROLE"))
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]


@pytest.fixture
def shop(postgres: Postgres) -> Iterator[str]:
    """A database named as on the page, where nothing is allowed that was not granted."""
    url = postgres.create()
    base, _, name = url.rpartition("/")
    with psycopg.connect(f"{base}/postgres", autocommit=True) as server:
        server.execute("CREATE ROLE shop LOGIN")
        server.execute(f'ALTER DATABASE "{name}" RENAME TO shop')
        server.execute("REVOKE ALL ON DATABASE shop FROM PUBLIC")
        server.execute("GRANT CONNECT ON DATABASE shop TO PUBLIC")
    with psycopg.connect(f"{base}/shop", autocommit=True) as admin:
        admin.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        admin.execute("GRANT USAGE ON SCHEMA public TO shop")
        admin.execute("CREATE TABLE parcel (id bigint PRIMARY KEY, label text)")
        admin.execute("ALTER TABLE parcel OWNER TO shop")
    yield f"{base}/shop"
    with psycopg.connect(f"{base}/shop", autocommit=True) as admin:
        admin.execute("DROP OWNED BY shop, mover CASCADE")
    with psycopg.connect(f"{base}/postgres", autocommit=True) as server:
        server.execute("DROP DATABASE shop WITH (FORCE)")
        server.execute("DROP ROLE mover")
        server.execute("DROP ROLE shop")


def session(url: str) -> Session:
    database = PostgresDatabase(
        url.replace("postgres@", "mover@"),
        capability="parcels",
        arm=Arm.MONOLITH,
        tables=["parcel"],
    )
    return database.session()


def test_the_mover_can_do_all_it_has_to(shop: str) -> None:
    with psycopg.connect(shop, autocommit=True) as admin:
        for statement in statements():
            admin.execute(statement)
        found = admin.execute("SELECT rolsuper FROM pg_roles WHERE rolname = 'mover'").fetchone()
        assert found == (False,)
    mover = session(shop)
    try:
        mover.install(owner=Arm.MONOLITH, epoch=1)
        mover.seize(1)
        with mover.step(token=1, epoch=1) as step:
            step.fence(up=True, patience=5)
            step.fence(up=False, patience=5)
            step.capture(on=True, patience=5)
        with psycopg.connect(shop.replace("postgres@", "shop@"), autocommit=True) as owner:
            owner.execute("INSERT INTO parcel VALUES (1, 'fragile')")
        assert mover.pending() == 1
        mover.quieten(on=True)
        mover.quieten(on=False)
        mover.close_door(patience=5)
        mover.open_door()
        mover.evict()
        with mover.claim(10) as claim:
            assert len(claim.entries) == 1
    finally:
        mover.close()


@pytest.mark.parametrize("left_out", [1, 2, 3])
def test_none_of_it_can_be_left_out(shop: str, left_out: int) -> None:
    told = statements()
    with psycopg.connect(shop, autocommit=True) as admin:
        for statement in (*told[:left_out], *told[left_out + 1 :]):
            admin.execute(statement)
    mover = session(shop)
    try:
        with pytest.raises(Unfit) as unfit:
            mover.install(owner=Arm.MONOLITH, epoch=1)
    finally:
        mover.close()
    (named,) = unfit.value.problems
    assert told[left_out].replace("USAGE, ", "") in named.replace('"', "")
