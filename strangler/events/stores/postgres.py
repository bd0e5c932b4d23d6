"""An outbox on PostgreSQL, by psycopg."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from strangler.events.buses.database.schema import QUEUE, TYPE
from strangler.events.outbox import OUTBOX, RELAY
from strangler.events.stores import Lease, StoreAway, StoreError, Unprepared, sql
from strangler.events.stores.base import SqlStore

_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "statement_timeout": "0",
    "lock_timeout": "2s",
    # A relay that is stopped inside a transaction holds leases for so long, and no longer.
    "idle_in_transaction_session_timeout": "5s",
    "idle_session_timeout": "0",
    "synchronous_commit": "on",
    "client_connection_check_interval": "1s",
    # A queue is read by its index, however full it was when somebody last looked at it.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    "jit": "off",  # what is off above costs so much on paper that it would be compiled
}
# Of states: what passes, and what somebody has to mend.
_PASSES = ("08", "25P03", "40", "53", "55P03", "57", "58")
_UNPREPARED = ("3F", "42")
# Nobody waits for the disk: what a power cut brings back is published again, and known by its id.
_REMOVE = (
    f"WITH held AS (SELECT r.partition FROM {RELAY} AS r "  # noqa: S608 - ours
    "JOIN unnest(?::smallint[], ?::bigint[]) AS l (partition, token) USING (partition, token) "
    "WHERE r.holder <> '' AND set_config('synchronous_commit', 'off', true) <> '' "
    "ORDER BY r.partition FOR SHARE OF r) "
    f'DELETE FROM {OUTBOX} AS o WHERE o."position" = ANY(?) '
    "AND o.partition = ANY(ARRAY(SELECT partition FROM held))"
)


class PostgresStore(SqlStore):
    """One connection to a PostgreSQL database."""

    _ID = "id::text"
    _AT = '"at"::text'
    _PAYLOAD = "convert_to(payload, 'UTF8')"
    _QUEUES = f"SELECT 1 WHERE to_regclass('{QUEUE}') IS NOT NULL"
    # As the rows lie: by the other index each partition would go through all of the table.
    _ROWS = f'(SELECT consumer, topic FROM {QUEUE} ORDER BY "position" OFFSET 0) AS q'  # noqa: S608 - ours
    _TYPE = TYPE["postgresql"]
    _LAST = f"coalesce(pg_sequence_last_value(pg_get_serial_sequence('{OUTBOX}', 'position')), 0)"

    def __init__(self, url: str) -> None:
        """Connect.

        Raises:
            StoreAway: it can't be reached.
        """
        scheme, separator, rest = url.partition("://")
        with _spoken():
            self._connection = psycopg.connect(
                scheme.partition("+")[0] + separator + rest,  # SQLAlchemy names a driver there
                autocommit=True,
                prepare_threshold=None,  # a plan for an empty queue would be kept for a full one
                application_name="strangler relay",
                connect_timeout=5,
                keepalives=1,
                keepalives_idle=10,
                keepalives_interval=5,
                keepalives_count=3,
                tcp_user_timeout=20_000,
            )
            self._cursor = self._connection.cursor(binary=True)
            self._connection.execute(
                "SELECT set_config(name, value, false)"
                " FROM unnest(%s::text[], %s::text[]) AS s(name, value)",
                [list(_SETTINGS), list(_SETTINGS.values())],
            )

    def close(self) -> None:
        """Hang up; leases run out."""
        with suppress(psycopg.Error):
            self._connection.close()

    def remove(self, leases: Sequence[Lease], positions: Sequence[int]) -> int:
        """In one statement: the leases that it rests on are locked by it."""
        numbers, tokens = [one.partition for one in leases], [one.token for one in leases]
        return self._changed(_REMOVE, [numbers, tokens, list(positions)])

    def _run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with _spoken():
            return self._cursor.execute(_ours(statement), values).fetchall()

    def _changed(self, statement: str, values: Sequence[Any] = ()) -> int:
        with _spoken():
            return self._cursor.execute(_ours(statement), values).rowcount

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _spoken(), self._connection.transaction():
            yield

    def _held(self) -> list[tuple[Any, ...]]:
        return self._run(f"{sql.HELD} FOR UPDATE")

    def _now(self) -> datetime:
        found: datetime = self._run("SELECT clock_timestamp()")[0][0]
        return found

    def _among(self, column: str, values: Collection[int]) -> tuple[str, list[Any]]:
        return f"{column} = ANY(?)", [list(values)]

    def _not_among(self, column: str, values: Collection[int]) -> tuple[str, list[Any]]:
        # This is looked up in a hash table; an array would be gone through for each row.
        return f"{column} NOT IN (SELECT unnest(?::bigint[]))", [list(values)]

    def _moment(self, at: datetime) -> datetime:
        return at

    def _read_moment(self, at: Any) -> datetime:
        found: datetime = at
        return found

    def _when(self, at: str) -> str:
        return f"{at[:10]}T{at[11:-3]}Z"  # it ends with +00, as this connection's time is UTC

    def _id(self, event: UUID) -> UUID:
        return event


def _ours(statement: str) -> str:
    """With psycopg's mark for values; no statement of ours has another "?"."""
    return statement.replace("?", "%s")


@contextmanager
def _spoken() -> Iterator[None]:
    """Errors of psycopg leave the block as the seam's."""
    try:
        yield
    except psycopg.Error as error:
        state = error.sqlstate or ""
        said = error.diag.message_primary or str(error).strip() or type(error).__name__
        if state.startswith(_UNPREPARED):
            raise Unprepared(f"{said}: bring the database's schema up to date") from error
        if state.startswith(_PASSES) or not state:
            raise StoreAway(said) from error
        raise StoreError(f"{said} ({state})") from error
