"""The door on PostgreSQL: a session-level advisory lock on a direct connection.

Not through a pool of transactions (PgBouncer's transaction mode): there the lock would be taken on
one server connection, and given back on another.
"""

# ruff: noqa: D102 -- the seam says what each method does
from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import psycopg

from strangler.ladder import Arm
from strangler.ports import forks
from strangler.transfer.database import Owner
from strangler.transfer.door import Door, DoorClosed
from strangler.transfer.errors import DatabaseAway
from strangler.transfer.postgres import asking, journal
from strangler.transfer.postgres.errors import spoken, translate
from strangler.transfer.postgres.holding import WAITING, patient
from strangler.transfer.postgres.link import Connection, connect, door_number
from strangler.transfer.postgres.steps import read_owner

T = TypeVar("T")

_NOTHING_SECONDS = 1.0
"""For how long nobody asks again where nothing is installed."""
_PAUSE = (0.01, 0.03)
"""Seconds between two looks at a frozen owner row: about."""
_abandoned: list[object] = []
"""Connections of the process that we were forked from: to close one here would end it there."""


class _Here(threading.local):
    """What this thread is inside with, and how deep."""

    connection: Connection | None = None
    owner: Owner | None = None


class PostgresDoor(Door):
    """Holds come and go with a connection; those that nobody uses are kept for the next."""

    def __init__(self, url: str, *, capability: str, arm: Arm, waiting: int | None = None) -> None:
        """Nothing is connected yet.

        Args:
            url: the database, reached directly.
            capability: whose door.
            arm: on which side.
            waiting: how many may wait at once, over all processes.
        """
        self.arm = arm
        self._url = url
        self._capability = capability
        self._waiting = waiting
        self._number = door_number(capability, arm)
        self._idle: deque[Connection] = deque()
        self._used: set[Connection] = set()
        self._here = _Here()
        self._nothing_until = 0.0
        forks.watch(self)

    def after_fork(self) -> None:
        """Forget the parent's connections, without a word to the server."""
        _abandoned.append((self._idle, self._used, self._here))
        self._idle, self._used, self._here = deque(), set(), _Here()

    @contextmanager
    def entered(self, *, deadline: float) -> Iterator[Owner | None]:
        if self._here.connection is not None:
            yield self._here.owner  # a command within a command: the door is ours already
            return
        if time.monotonic() < self._nothing_until:
            yield None
            return
        connection, owner = self._enter(deadline)
        if connection is None:
            yield None
            return
        self._here.connection, self._here.owner = connection, owner
        try:
            yield owner
        finally:
            self._here.connection = self._here.owner = None
            self._leave(connection)

    def owner(self) -> Owner | None:
        return self._asked(lambda connection: read_owner(connection, self._capability))

    def position(self) -> int:
        return self._asked(journal.position)

    def applied(self, position: int) -> bool:
        return self._asked(lambda it: journal.applied(it, self._capability, position))

    def ask(self) -> int:
        return self._asked(lambda connection: asking.ask(connection, self._capability))

    def answered(self, number: int) -> bool:
        return self._asked(lambda it: asking.answered(it, self._capability)) >= number

    def delivered(self, rehearsal: str) -> list[str]:
        return self._asked(lambda connection: journal.delivered(connection, rehearsal))

    def close(self) -> None:
        while self._idle:
            self._drop(self._idle.pop())

    def _asked(self, ask: Callable[[Connection], T]) -> T:
        """An answer of the database, on a connection that lives."""
        connection = self._take()
        try:
            with spoken():
                answer = ask(connection)
        except (psycopg.Error, DatabaseAway):
            self._drop(connection)
            connection = self._connected()
            try:
                with spoken():
                    answer = ask(connection)
            except BaseException:
                self._drop(connection)
                raise
        except BaseException:
            self._drop(connection)
            raise
        self._put(connection)
        return answer

    def _enter(self, deadline: float) -> tuple[Connection | None, Owner | None]:
        while True:
            connection, owner, installed = self._looked(deadline)
            if not installed:
                self._nothing_until = time.monotonic() + _NOTHING_SECONDS
                self._leave(connection)
                return None, None
            if owner is None or not owner.frozen:
                return connection, owner
            # A switch that is half done: outside again, so that whoever mends it can close.
            self._leave(connection)
            pause = random.uniform(*_PAUSE)  # noqa: S311 -- lest all look at once
            if time.monotonic() + pause >= deadline:
                raise DoorClosed(f"{self._capability}: its rows are still changing owner")
            time.sleep(pause)

    def _looked(self, deadline: float) -> tuple[Connection, Owner | None, bool]:
        """A connection that is inside, the owner as it sees it, and whether anything is there."""
        connection = self._take()
        fresh = connection not in self._used
        while True:
            self._used.add(connection)
            try:
                return (connection, *self._try(connection, deadline))
            except psycopg.Error as error:
                self._drop(connection)
                if fresh or not isinstance(error, psycopg.OperationalError):
                    raise translate(error) from error
                connection, fresh = self._connected(), True  # it had gone while nobody used it
            except BaseException:
                self._drop(connection)
                raise

    def _try(self, connection: Connection, deadline: float) -> tuple[Owner | None, bool]:
        """Take the lock, then read the owner row: in this order, in two statements."""
        row = connection.execute(
            "SELECT pg_try_advisory_lock_shared(%s)", [self._number]
        ).fetchone()
        if row is None or not row[0]:
            self._wait(connection, deadline)
        row = connection.execute("SELECT to_regclass('strangler_owner') IS NOT NULL").fetchone()
        if row is None or not row[0]:
            return None, False
        return read_owner(connection, self._capability), True

    def _wait(self, connection: Connection, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise DoorClosed(f"{self._capability}: its door did not open in time")
        if self._waiting is not None:
            row = connection.execute(WAITING, [self._number]).fetchone()
            if row is not None and row[0] >= self._waiting:
                raise DoorClosed(f"{self._capability}: {row[0]} wait at its door already")
        patient(connection, left)
        try:
            connection.execute("SELECT pg_advisory_lock_shared(%s)", [self._number])
        except psycopg.errors.LockNotAvailable as error:
            raise DoorClosed(f"{self._capability}: its door did not open in time") from error
        patient(connection, 30.0)

    def _unlock(self, connection: Connection) -> None:
        connection.execute("SELECT pg_advisory_unlock_shared(%s)", [self._number])

    def _leave(self, connection: Connection) -> None:
        """Outside; a connection that broke off meanwhile has given the lock back itself."""
        try:
            self._unlock(connection)
        except psycopg.Error:
            self._drop(connection)
        else:
            self._put(connection)

    def _take(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._connected()

    def _put(self, connection: Connection) -> None:
        self._idle.append(connection)

    def _connected(self) -> Connection:
        return connect(self._url, name=f"strangler door {self._capability}")

    def _drop(self, connection: Connection) -> None:
        self._used.discard(connection)
        with suppress(psycopg.Error):
            connection.close()
