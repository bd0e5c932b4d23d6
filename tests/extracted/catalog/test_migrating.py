"""The schema: what Alembic makes is what the models say, and what is missing is said."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from extracted.catalog.migrating import SCHEMA
from extracted.catalog.models import Base
from strangler.sqlalchemy.database import Database
from strangler.sqlalchemy.schema import Outdated


def test_the_migrations_make_what_the_models_say(database: Database):
    SCHEMA.migrate(database)  # again, which changes nothing
    with database.reading() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_foreign_keys_wait_for_the_end_and_do_nothing_by_themselves(database: Database):
    looked = inspect(database.engine)
    for table in Base.metadata.tables:
        for key in looked.get_foreign_keys(table):
            assert key["options"] == {"deferrable": True, "initially": "DEFERRED"}
    for table in Base.metadata.tables.values():
        for made in table.foreign_keys:
            assert (made.ondelete, made.onupdate, made.deferrable) == (None, None, True)


def test_the_check_wants_the_schema_of_this_code(empty: Database):
    checked = SCHEMA.check(empty)
    with pytest.raises(Outdated, match=r"at nothing, not at 0002: run .* migrate"):
        checked()
    SCHEMA.migrate(empty)
    checked()
    with empty.transaction() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(Outdated, match="at 0000"):
        checked()


def test_numbers_of_categories_are_never_given_twice(database: Database):
    """After a switch the other side's rows are here, and its numbers are taken."""
    if database.engine.dialect.name == "sqlite":
        with database.reading() as session:
            made = session.connection().exec_driver_sql(
                "SELECT sql FROM sqlite_master WHERE name = 'category'"
            )
            assert "AUTOINCREMENT" in str(made.scalar())
    else:
        with database.reading() as session:
            named = session.connection().exec_driver_sql(
                "SELECT pg_get_serial_sequence('category', 'id')"
            )
            assert named.scalar() == "public.category_id_seq"
