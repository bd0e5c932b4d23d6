"""Alembic's entrance: the connection is given by ``strangler.sqlalchemy.schema``."""

from __future__ import annotations

from alembic import context

from extracted.notifications.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite alters hardly anything in place
)
context.run_migrations()
