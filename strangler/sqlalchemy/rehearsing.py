"""A rehearsal in a service's database: every transaction of the command is a part of one.

That one is doomed as it begins (see ``strangler.transfer.rehearsing``), so nothing depends on what
the command does with its own: they are savepoints in it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from strangler.ports.rehearsal import Rehearsal, Run, Shape, Written
from strangler.transfer.connect import doomed
from strangler.transfer.errors import TransferError
from strangler.transfer.rehearsed import changed
from strangler.transfer.rehearsing import Doomed, Unrehearsable
from strangler.transfer.tables import ColumnKind, Table

if TYPE_CHECKING:
    from strangler.sqlalchemy.database import Database

LONGEST = 2.0
"""Seconds that a rehearsal may take, all its runs together."""

_log = logging.getLogger("strangler.sqlalchemy")


class DatabaseRehearsal(Rehearsal):
    """One command, in one transaction of this database."""

    def __init__(self, database: Database, capability: str) -> None:
        self._database = database
        self._capability = capability
        self._connection: Connection | None = None
        self._doomed: Doomed | None = None
        self._began = 0
        self._moment = ""
        self._watch: threading.Timer | None = None
        self._tables: dict[str, Shape] = {}

    def of(self, database: Database) -> bool:
        """Is it this database's?"""
        return database is self._database

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session whose transactions are savepoints.

        Raises:
            TransferError: no rehearsal can be here.
        """
        if self._connection is None:
            raise Unrehearsable(self.impossible or "it has not begun, or has ended")
        with Session(
            self._connection, expire_on_commit=False, join_transaction_mode="create_savepoint"
        ) as session:
            yield session

    def begin(self) -> None:
        """Before the first run. Never raises; gives up where none can be."""
        try:
            connection = self._connection = self._database.writing.connect()
            connection.begin()
            self._doomed = doomed(
                connection.connection.driver_connection, capability=self._capability
            )
            self._began = self._doomed.doom()
            self._moment = self._doomed.moment()
        except (SQLAlchemyError, TransferError) as error:
            self.give_up(str(error))
            self.close()
        else:
            self._watch = threading.Timer(LONGEST, self._abandon, [self._doomed])
            self._watch.daemon = True
            self._watch.start()

    def _abandon(self, doomed: Doomed) -> None:
        """It takes too long, and the mover waits."""
        self.give_up(f"it takes longer than {LONGEST:g} s")
        with suppress(Exception):
            doomed.abandon()

    def end(self, status: int, said: str = "") -> Run:
        """One run has ended: undo it, and say what it was. Never raises."""
        written: list[Written] = []
        ended = self._began
        try:
            if self._doomed is not None and not self.impossible:
                written, ended = self._undone(self._doomed)
        except (SQLAlchemyError, TransferError) as error:
            self.give_up(str(error))
        except Exception:  # noqa: BLE001 - a caller must be answered
            self.give_up("what it has written can't be said: the service's log says why")
            _log.exception("%s: a rehearsal has failed", self._capability)
        return Run(status, said, self.impossible, written, self._began, ended, self._moment)

    def shapes(self) -> Mapping[str, Shape]:
        """The tables of which ``end`` has told."""
        return self._tables

    def close(self) -> None:
        """The last run has ended. Never raises."""
        if self._watch is not None:
            self._watch.cancel()
        connection, self._connection, self._doomed = self._connection, None, None
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.rollback()
            with suppress(SQLAlchemyError):
                connection.close()

    def _undone(self, doomed: Doomed) -> tuple[list[Written], int]:
        """What it was, and how many batches the mover had applied by then."""
        keys = doomed.written()
        after = doomed.rows(keys)
        for name in keys:
            self._tables[name] = _shape(doomed.table(name))
        doomed.undo()
        before, ended = doomed.rows(keys), doomed.number()
        written: list[Written] = []
        for name in keys:
            written += changed(name, before[name], after[name])
        return written, ended


def _shape(table: Table) -> Shape:
    key = [table.columns[name] for name in table.key]
    return Shape(
        list(table.key),
        len(key) == 1 and key[0].sequence is not None and key[0].kind is ColumnKind.INTEGER,
        {one.columns[0]: one.table for one in table.foreign_keys if len(one.columns) == 1},
    )
