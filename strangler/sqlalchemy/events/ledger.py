"""The inbox in a service's own database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from strangler.events.book import Book, Tables
from strangler.events.consumer import Consumer
from strangler.events.failing import Verdict, transient
from strangler.events.subscribe import Handlers
from strangler.sqlalchemy.database import Database
from strangler.sqlalchemy.events.inbox import InboxEntry, ParkedEvent


class DatabaseLedger:
    """The inbox of one capability: what handlers do in ``database`` joins its transaction."""

    def __init__(
        self, database: Database, inbox: type[InboxEntry], parked: type[ParkedEvent]
    ) -> None:
        """Nothing is connected yet.

        Raises:
            TypeError: one of the two is no model.
        """
        self._database = database
        self._tables = Tables(_table(inbox), _table(parked))

    @contextmanager
    def transaction(self) -> Iterator[Book]:
        """One transaction, which ``Database.transaction()`` joins meanwhile."""
        with self._database.handling() as session:
            yield self._book(session)

    @contextmanager
    def reading(self) -> Iterator[Book]:
        """The tables as they are at this moment."""
        with self._database.reading() as session:
            yield self._book(session)

    def verdict(self, error: BaseException) -> Verdict | None:
        """What an error of SQLAlchemy's means."""
        if isinstance(error, PoolTimeout):
            return Verdict.LATER
        if isinstance(error, DBAPIError):
            return Verdict.LATER if transient(error.orig) else Verdict.POISON
        return None

    def _book(self, session: Session) -> Book:
        connection = session.connection()
        sqlite = connection.dialect.name == "sqlite"

        def execute(statement: str, parameters: Sequence[Any]) -> Sequence[tuple[Any, ...]]:
            text = statement.replace("%s", "?") if sqlite else statement
            found = connection.exec_driver_sql(text, tuple(parameters))
            return [tuple(row) for row in found] if found.returns_rows else ()

        return Book(execute, self._tables, "sqlite" if sqlite else "postgresql")


def consumer(
    handlers: Handlers,
    database: Database,
    inbox: type[InboxEntry],
    parked: type[ParkedEvent],
    *,
    owns: Callable[[], bool] | None = None,
) -> Consumer:
    """The consumer of a service, as ``strangler.fastapi.app.service`` wants it.

    Args:
        handlers: what is done about which event.
        database: the service's own; what handlers write there happens once.
        inbox: the service's model of what has been taken.
        parked: the service's model of what is set aside.
        owns: see ``Consumer``; the chassis knows it.
    """
    return Consumer(handlers, DatabaseLedger(database, inbox, parked), owns=owns)


def _table(model: type) -> str:
    table = vars(model).get("__table__")
    if not isinstance(table, Table):
        raise TypeError(f"{model.__qualname__} is no model: mix it into one of the service's own")
    return table.name
