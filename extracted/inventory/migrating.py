"""The database's schema: brought up to date by Alembic, and looked at before taking traffic."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from extracted.inventory.database import Away, Database, NoDatabase
from extracted.inventory.settings import InventorySettings
from strangler.fastapi.settings import BadEnvironment, environment

FOLDER = Path(__file__).with_name("migrations")
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('extracted.inventory migrate'))")


class Outdated(Exception):
    """The schema is not the one that this code was written for."""


def main() -> int:
    """The command line's ``migrate``; returns its exit code."""
    try:
        with Database(environment(InventorySettings).database_url) as database:
            migrate(database)
    except (Away, BadEnvironment, NoDatabase) as error:
        sys.stderr.write(f"extracted.inventory can't migrate:\n{error}\n")
        return 1
    return 0


def migrate(database: Database) -> None:
    """Bring the schema up to date, in one transaction, and one process at a time.

    Raises:
        Away: the database can't be reached.
    """
    with database.transaction() as session:
        if not database.sqlite:
            session.execute(_ONE_AT_A_TIME)
        config = _config()
        config.attributes["connection"] = session.connection()
        command.upgrade(config, "head")


def check(database: Database) -> Callable[[], None]:
    """Whether the database answers, and has the schema that this code was written for.

    The check raises ``Away`` or ``Outdated``.
    """
    head = ScriptDirectory.from_config(_config()).get_current_head()

    def checked() -> None:
        with database.reading() as session:
            found = MigrationContext.configure(session.connection()).get_current_revision()
        if found != head:
            raise Outdated(
                f"its schema is at {found or 'nothing'}, not at {head}: "
                "run python -m extracted.inventory migrate"
            )

    return checked


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config
