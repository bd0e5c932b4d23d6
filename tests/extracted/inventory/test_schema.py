"""The schema: its migrations make what the models say, and either database keeps its rules."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import IntegrityError

from extracted.inventory.migrating import SCHEMA
from extracted.inventory.models import Allocation, Base, Reservation, Stock, Warehouse
from extracted.inventory.moments import now
from strangler.sqlalchemy.database import Away, Database, NoDatabase
from strangler.sqlalchemy.schema import Outdated


def test_the_migrations_make_what_the_models_say(migrated: Database):
    with migrated.reading() as session:
        context = MigrationContext.configure(session.connection())
        assert compare_metadata(context, Base.metadata) == []


def test_they_lead_back_and_forth(url: str):
    with Database(url) as database:
        SCHEMA.migrate(database)
        with database.transaction() as session:
            config = SCHEMA.config
            config.attributes["connection"] = session.connection()
            command.downgrade(config, "base")
        with pytest.raises(Outdated, match="at nothing, not at 0001: run python -m"):
            SCHEMA.check(database)()
        with database.reading() as session:
            assert inspect(session.connection()).get_table_names() == ["alembic_version"]
        SCHEMA.migrate(database)
        SCHEMA.migrate(database)
        SCHEMA.check(database)()


def test_rows_come_in_any_order_within_a_transaction(database: Database):
    order = uuid4()
    with database.transaction() as session:
        connection = session.connection()
        for table, row in (
            (Allocation, {"id": 5, "order_id": order, "stock_id": 7, "quantity": 1}),
            (Stock, {"id": 7, "sku": "A", "warehouse_id": 9, "on_hand": 1, "reserved": 1}),
            (Warehouse, {"id": 9, "code": "near", "name": "Near", "rank": 1}),
            (
                Reservation,
                {
                    "order_id": order, "state": "held", "expires_at": now(), "created_at": now(),
                    "updated_at": now(),
                },
            ),
        ):  # fmt: skip
            connection.execute(Base.metadata.tables[table.__tablename__].insert(), row)


def test_a_reference_that_leads_nowhere_is_refused_in_the_end(database: Database):
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.add(Stock(sku="A", warehouse_id=404, on_hand=0, reserved=0))


def test_nothing_goes_by_itself(database: Database):
    test_rows_come_in_any_order_within_a_transaction(database)
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.execute(text("DELETE FROM reservation"))
    with database.reading() as session:
        assert session.scalars(select(Allocation)).all()


def test_a_number_is_given_once(database: Database):
    numbers = []
    for code in ("a", "b"):
        with database.transaction() as session:
            row = Warehouse(code=code, name=code, rank=1)
            session.add(row)
            session.flush()
            numbers.append(row.id)
            session.delete(row)
    assert numbers[0] < numbers[1]


def test_moments_are_aware_and_exact(database: Database):
    moment = now()
    order = uuid4()
    with database.transaction() as session:
        session.add(
            Reservation(
                order_id=order,
                state="held",
                expires_at=moment,
                created_at=moment,
                updated_at=moment.replace(microsecond=0),
            )
        )
    with database.reading() as session:
        row = session.get(Reservation, order)
        assert row is not None
        assert (row.expires_at, row.expires_at.utcoffset()) == (moment, moment.utcoffset())
        assert row.updated_at == moment.replace(microsecond=0)


@pytest.mark.parametrize(
    "url", ["", "nonsense", "sqlite://", "mysql://me:secret@h/x", "postgresql://me:secret@h"]
)
def test_a_url_that_names_no_database_is_not_repeated(url: str):
    with pytest.raises(NoDatabase, match="write postgresql://") as caught:
        Database(url)
    assert "secret" not in str(caught.value)


def test_a_database_that_is_away_says_so_and_nothing_has_been_done(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    nowhere = ("postgresql://me@127.0.0.1:1/x", f"sqlite:///{tmp_path / 'folder'}")
    for url in nowhere:
        database = Database(url)
        for opened in (database.transaction, database.reading):
            with pytest.raises(Away, match="does not answer"), opened() as session:
                session.execute(text("SELECT 1"))
        with pytest.raises(Away):
            SCHEMA.check(database)()


@pytest.mark.parametrize(
    "url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
def test_who_reads_sees_one_moment_and_writes_nothing(database: Database):
    count = text("SELECT count(*) FROM warehouse")
    with database.reading() as reader:
        assert reader.scalar(count) == 0
        with database.transaction() as writer:
            writer.add(Warehouse(code="near", name="Near", rank=1))
        assert reader.scalar(count) == 0
    with pytest.raises(Exception, match="read-only"), database.reading() as reader:
        reader.execute(text("DELETE FROM warehouse"))


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_writer_that_is_kept_out_for_too_long_has_done_nothing(database: Database):
    with Database(f"{database.engine.url}") as other:
        with other.transaction() as session:
            session.execute(text("PRAGMA busy_timeout = 50"))
        with database.transaction(), pytest.raises(Away), other.transaction():
            raise AssertionError
