"""A service's own database, PostgreSQL or an SQLite file, and its transactions.

Whoever stands at the rim opens one; what runs inside is given the session, and never commits.

A database that is away, or a write that the fence refuses, is said to the callers of the service as
it is: nothing of this call has been executed, so it may be sent again, or to the owner. Only a call
that has committed something before can't say so, and nobody knows what has become of it.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from strangler.ports.answer import Refusal, turned_away
from strangler.ports.context import Context, current
from strangler.ports.errors import Busy, DoorShut, NotOwner, OutcomeUnknown
from strangler.ports.inside import Inside
from strangler.ports.rehearsal import Rehearsal, under_way
from strangler.sqlalchemy.rehearsing import DatabaseRehearsal
from strangler.transfer import fence
from strangler.transfer.errors import TransferError

PATIENCE: Final = 5
"""Seconds to wait for a free connection, or for another writer of SQLite."""
_BEGIN: Final = "begin"
_GONE: Final = (OperationalError, InterfaceError, PoolTimeout)

_log = logging.getLogger("strangler.sqlalchemy")

_committed: ContextVar[Context | None] = ContextVar("strangler_committed", default=None)
"""The call that has committed something."""
_handling: ContextVar[tuple[Database, Session] | None] = ContextVar(
    "strangler_handling", default=None
)
"""The transaction in which events are being handled, and whose it is."""


class NoDatabase(ValueError):
    """A URL names no database; it is not repeated, as it may hold a secret."""


class Away(Refusal):
    """The database does not answer, so nothing has been done."""

    def __init__(self, said: str) -> None:
        super().__init__(503, Busy.__name__, f"the database does not answer: {said}")


class Interrupted(OutcomeUnknown):
    """A call has been broken off after it had committed a part of what it does."""


def address(url: str, *, named: str = "the URL") -> URL:
    """A database's URL as SQLAlchemy wants it.

    Args:
        url: as it is configured.
        named: what it is configured by.

    Raises:
        NoDatabase: it is none, or of a kind that is not known here.
    """
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        found = None
    if found is not None and found.database not in {None, "", ":memory:"}:
        if found.drivername in {"postgres", "postgresql", "postgresql+psycopg"}:
            return found.set(drivername="postgresql+psycopg")
        if found.drivername == "sqlite":
            return found
    raise NoDatabase(
        f"{named} names no database that can be used here: write "
        "postgresql://user:password@host:5432/name or sqlite:///path/to/file"
    )


class Database:
    """One database. Shared between threads; connections are made when they are needed.

    As a context manager it is closed at the end of the block.
    """

    def __init__(self, url: str, *, named: str = "the URL", connections: int = 20) -> None:
        """Nothing is connected yet.

        Args:
            url: see ``address``.
            named: see ``address``.
            connections: how many there are at most.

        Raises:
            NoDatabase: see ``address``.
        """
        parsed = address(url, named=named)
        self.sqlite = parsed.drivername == "sqlite"
        if self.sqlite:
            Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
        self.engine: Engine = create_engine(
            parsed,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=PATIENCE,
            pool_pre_ping=True,
            connect_args={"timeout" if self.sqlite else "connect_timeout": PATIENCE},
            # Text is stored as it is, so that either side of a transfer reads the same.
            json_serializer=_json,
        )
        event.listen(self.engine, "handle_error", _fenced, retval=True)
        if self.sqlite:
            event.listen(self.engine, "connect", _prepare)
            event.listen(self.engine, "begin", _begin)
            writing: dict[str, Any] = {_BEGIN: "BEGIN IMMEDIATE"}
            reading: dict[str, Any] = {}
        else:
            writing = {}
            reading = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self.writing: Engine = self.engine.execution_options(**writing)
        self._looking = self.engine.execution_options(**reading)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the connections that nobody uses."""
        self.engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction that may write: committed at the end, undone by whatever is raised.

        While events are handled it is a part of the transaction that remembers them (a savepoint,
        so that whoever catches what was raised can go on), and is committed with that.

        Raises:
            Away: the database can't be reached, has broken off before the end, or other writers
                keep it to themselves.
            Refusal: the fence has refused a write: the other side owns the rows, or soon will.
            Interrupted: one of these, but the call has committed something before.
        """
        if (rehearsal := under_way()) is not None:
            with self._rehearsed(rehearsal) as session, session.begin():
                yield session
                session.flush()
            return
        if (handled := self._handled()) is not None:
            with _said(), handled.begin_nested():
                yield handled
            return
        session = Session(self.writing, expire_on_commit=False)
        with session, session.begin(), _said():  # beyond which is the commit: who knows how it went
            session.connection()
            yield session
            session.flush()
        _committed.set(current())

    @contextmanager
    def handling(self) -> Iterator[Session]:
        """One transaction in which events are handled: ``transaction`` and ``reading`` join it.

        Raises:
            Away, Refusal: as ``transaction``.
        """
        session = Session(self.writing, expire_on_commit=False)
        with session, session.begin(), _said():
            session.connection()
            with Inside(_handling, (self, session)):
                yield session
            session.flush()

    def _handled(self) -> Session | None:
        found = _handling.get()
        return found[1] if found is not None and found[0] is self else None

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One moment of the database, to look at; while events are handled, with their changes.

        Raises:
            Away: the database can't be reached, or has broken off.
            Interrupted: the same, but the call has committed something before.
        """
        if (rehearsal := under_way()) is not None:
            with self._rehearsed(rehearsal) as session:
                yield session
            return
        if (handled := self._handled()) is not None:
            with _said():
                yield handled
            return
        with _said(), Session(self._looking, expire_on_commit=False) as session:
            yield session

    def rehearsal(self, capability: str) -> DatabaseRehearsal:
        """A rehearsal of one command of this capability, whose tables these are."""
        return DatabaseRehearsal(self, capability)

    @contextmanager
    def _rehearsed(self, rehearsal: Rehearsal) -> Iterator[Session]:
        """A session within a rehearsal.

        Raises:
            Refusal: it is another database's, or none can be here.
        """
        if not isinstance(rehearsal, DatabaseRehearsal) or not rehearsal.of(self):
            rehearsal.give_up("it uses a database beside the capability's own")
            raise Refusal(503, "Unrehearsable", rehearsal.impossible)
        try:
            with _said(), rehearsal.session() as session:
                yield session
        except (TransferError, Refusal) as error:
            rehearsal.give_up(str(error))
            raise Refusal(503, "Unrehearsable", str(error)) from error


@contextmanager
def _said() -> Iterator[None]:
    """What ends a transaction before it is committed leaves the block as callers know it."""
    try:
        yield
    except (*_GONE, Refusal) as error:
        refusal = error if isinstance(error, Refusal) else _away(error)
        context = current()
        if context.hops and _committed.get() is context:
            raise Interrupted(f"something had been committed before: {refusal}") from error
        if refusal is error:
            raise
        raise refusal from error


def _away(error: Exception) -> Away:
    said = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    _log.warning("the database does not answer: %s", said)
    return Away(said)


def _fenced(context: ExceptionContext) -> BaseException | None:
    """What is raised instead of an error of the fence: on SQLite it looks like broken integrity."""
    error = context.original_exception
    found = fence.read(error, str(error))
    if found is None:
        return None
    if found.owner is None:
        return turned_away(DoorShut(f"{found.capability} changes owner at this moment"))
    _log.warning("a write has met the fence of %s: %s", found.capability, str(error).strip())
    message = f"the {found.owner} owns {found.capability}"
    return turned_away(NotOwner(message, owner=found.owner, epoch=found.epoch))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # or Python's driver would begin when it thinks fit
    for pragma in ("foreign_keys = ON", "journal_mode = WAL", "synchronous = NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    """A writer locks as it begins, so that no reader has to become one half way, and fails."""
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))
