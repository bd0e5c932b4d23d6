"""A service's tables between two tests."""

from __future__ import annotations

from sqlalchemy import MetaData, delete

from strangler.sqlalchemy.database import Database


def emptied(database: Database, tables: MetaData) -> Database:
    """The same database with no rows in it."""
    with database.transaction() as session:
        for table in reversed(tables.sorted_tables):
            session.execute(delete(table))
    return database
