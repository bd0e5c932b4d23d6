"""Queues in PostgreSQL."""

# ruff: noqa: S608 - names are the kit's, and values are bound

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, cast

import psycopg
from psycopg import errors

from strangler.events.buses import BadBus, BusAway, BusError
from strangler.events.buses.database import schema
from strangler.events.buses.database.queue import Queue, Slot, Waiting
from strangler.events.buses.database.schema import QUEUE

T = TypeVar("T")
_REFUSED = (
    errors.InsufficientPrivilege,
    errors.InvalidAuthorizationSpecification,
    errors.InvalidCatalogName,
    errors.InvalidPassword,
)
_READ = (
    f"SELECT q.position, s.topic, s.partition, q.envelope "
    "FROM unnest(%s::text[], %s::smallint[]) AS s(topic, partition), "
    f"LATERAL (SELECT position, envelope FROM {QUEUE} AS w WHERE w.consumer = %s "
    "AND w.topic = s.topic AND w.partition = s.partition {wanted}"
    "ORDER BY w.position LIMIT %s) AS q "
    "LIMIT %s"
)


class PostgresQueue(Queue):
    """One connection, made when it is needed, and made again when it has broken."""

    clock = "extract(epoch FROM clock_timestamp())::double precision"
    type = schema.TYPE["postgresql"]

    def __init__(self, url: str) -> None:
        scheme, separator, rest = url.partition("://")
        self._url = scheme.partition("+")[0] + separator + rest  # SQLAlchemy names a driver there
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def rows(self, sql: str, given: Sequence[Any] = ()) -> list[Any]:
        """Run one statement, and give its rows."""
        return self._do(lambda connection: _rows(connection, sql, given))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction of several statements."""
        self.some("")  # tables are made outside of it
        with self._said(), self._connected().transaction():
            yield

    def put(self, rows: Sequence[tuple[str, str, int, str]]) -> None:
        """Copy these in, which numbers them in their order."""

        def copy(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
            sql = f"COPY {QUEUE} (consumer, topic, partition, envelope) FROM STDIN"
            with connection.transaction(), connection.cursor().copy(cast(Any, sql)) as copying:
                for row in rows:
                    copying.write_row(row)

        self._do(copy)

    def read(
        self, consumer: str, slots: Sequence[Slot], limit: int, *, but: Collection[str] = ()
    ) -> list[Waiting]:
        """The oldest rows of these, slot by slot: the scan of a slot begins if there is room."""
        wanted = f"AND coalesce({self.type}, '') <> ALL(%s) " if but else ""
        sql = _READ.format(wanted=wanted)
        ours = ([slot.topic for slot in slots], [slot.partition for slot in slots], consumer)
        given = (*ours, *([list(but)] if but else ()), limit, limit)
        found = self._do(lambda connection: _rows(connection, sql, given, translated=True))
        waiting = [Waiting(row[0], Slot(row[1], row[2]), row[3]) for row in found]
        return sorted(waiting, key=lambda row: row.position)

    def delete(self, positions: Sequence[int]) -> None:
        """Take these out."""
        self.rows(f"DELETE FROM {QUEUE} WHERE position = ANY(?)", (list(positions),))

    def close(self) -> None:
        """Hang up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    def _do(self, work: Callable[[psycopg.Connection[tuple[Any, ...]]], T]) -> T:
        with self._said():
            try:
                return work(self._connected())
            except errors.UndefinedTable:
                connection = self._connected()
                with connection.transaction():
                    schema.create(
                        lambda sql: connection.execute(cast(Any, sql)), vendor="postgresql"
                    )
                return work(connection)

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = psycopg.connect(
                self._url,
                autocommit=True,
                application_name="strangler events",
                connect_timeout=5,
                keepalives_idle=10,
                keepalives_interval=5,
                keepalives_count=3,
                tcp_user_timeout=20_000,
            )
        return self._connection

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: psycopg.Error) -> BusError:
        self.close()
        said = f"the speaker's database: {error}"
        if isinstance(error, _REFUSED):
            return BadBus(f"{said}; look at the URL, and at what its role may do")
        if isinstance(error, psycopg.ProgrammingError) and not isinstance(
            error, psycopg.OperationalError
        ):
            return BadBus(said)
        return BusAway(said)


def _rows(
    connection: psycopg.Connection[tuple[Any, ...]],
    sql: str,
    given: Sequence[Any],
    *,
    translated: bool = False,
) -> list[Any]:
    text = sql if translated else sql.replace("?", "%s")
    cursor = connection.execute(cast(Any, text), given)
    return cursor.fetchall() if cursor.description else []
