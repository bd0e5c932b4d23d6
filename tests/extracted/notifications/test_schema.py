"""The schema: its migrations make what the models say, forwards and back."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from extracted.notifications.migrating import SCHEMA
from extracted.notifications.models import Base
from strangler.sqlalchemy.database import Database
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
