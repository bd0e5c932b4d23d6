"""A database's schema: brought up to date by Alembic, and looked at before taking traffic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from strangler.sqlalchemy.database import Database

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext(:name))")


class Outdated(Exception):
    """The schema is not the one that this code was written for."""


class Schema:
    """What the migrations in a folder make.

    Args:
        folder: Alembic's; its ``env.py`` takes the connection from the configuration's attributes.
        program: the service, whose ``migrate`` brings the schema up to date.
    """

    def __init__(self, folder: Path, *, program: str) -> None:
        self.config = Config()
        self.config.set_main_option("script_location", str(folder).replace("%", "%%"))
        self._program = program

    def migrate(self, database: Database) -> None:
        """Bring the schema up to date, in one transaction, and one process at a time.

        Raises:
            Away: the database can't be reached.
        """
        with database.transaction() as session:
            if not database.sqlite:
                session.execute(_ONE_AT_A_TIME, {"name": f"{self._program} migrate"})
            self.config.attributes["connection"] = session.connection()
            command.upgrade(self.config, "head")

    def check(self, database: Database) -> Callable[[], None]:
        """Whether the database answers, and has the schema that this code was written for.

        The check raises ``Away`` or ``Outdated``.
        """
        head = ScriptDirectory.from_config(self.config).get_current_head()

        def checked() -> None:
            with database.reading() as session:
                found = MigrationContext.configure(session.connection()).get_current_revision()
            if found != head:
                raise Outdated(
                    f"its schema is at {found or 'nothing'}, not at {head}: "
                    f"run python -m {self._program} migrate"
                )

        return checked
