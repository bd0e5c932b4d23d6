"""The database's schema, as the migrations beside this make it."""

from __future__ import annotations

import sys
from pathlib import Path

from extracted.notifications.settings import DATABASE, NotificationsSettings
from strangler.fastapi.settings import BadEnvironment, environment
from strangler.sqlalchemy.database import Away, Database, NoDatabase
from strangler.sqlalchemy.schema import Schema

SCHEMA = Schema(Path(__file__).with_name("migrations"), program="extracted.notifications")


def main() -> int:
    """The command line's ``migrate``; returns its exit code."""
    try:
        with Database(environment(NotificationsSettings).database_url, named=DATABASE) as database:
            SCHEMA.migrate(database)
    except (Away, BadEnvironment, NoDatabase) as error:
        sys.stderr.write(f"extracted.notifications can't migrate:\n{error}\n")
        return 1
    return 0
