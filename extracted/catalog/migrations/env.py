"""Alembic's entrance: the connection is given by ``strangler.sqlalchemy.schema``."""

from __future__ import annotations

from alembic import context

from extracted.catalog.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transaction_per_migration=False,
)
context.run_migrations()
