"""One connection, and what everybody who uses it knows: the capability, its side, its tables."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import psycopg

from strangler.ladder import Arm
from strangler.transfer.database import HEARTBEAT
from strangler.transfer.errors import Unfit
from strangler.transfer.postgres import kinds
from strangler.transfer.postgres.errors import spoken
from strangler.transfer.postgres.schema import Described, describe

_OLDEST = 140_000
Connection = psycopg.Connection[tuple[Any, ...]]

_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    # Every statement sees what is committed when it begins: the protocol stands on that.
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "row_security": "off",  # rather an error than rows that we don't see
    "statement_timeout": "0",
    "lock_timeout": "30s",
    # A mover that is stopped inside a transaction holds rows for so long, and no longer.
    "idle_in_transaction_session_timeout": "15s",
    "idle_session_timeout": "0",
    # What is carried is forgotten where it came from: it has to outlive the server.
    "synchronous_commit": "on",
    "client_connection_check_interval": "1s",  # a statement that waits notices its client's death
}


def connect(url: str, *, name: str) -> Connection:
    """A connection that notices when the other end has gone.

    Raises:
        DatabaseAway: it can't be reached.
        Unfit: it is too old.
    """
    scheme, separator, rest = url.partition("://")
    with spoken():
        connection = psycopg.connect(
            scheme.partition("+")[0] + separator + rest,  # SQLAlchemy names a driver there
            autocommit=True,
            prepare_threshold=None,  # a plan may outlive the table that it was made for
            application_name=name[:63],
            connect_timeout=5,
            keepalives=1,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=20_000,
        )
        kinds.register(connection)
        if connection.info.server_version < _OLDEST:
            connection.close()
            raise Unfit(["transfer needs PostgreSQL 14 or newer"])
        connection.execute(
            "SELECT set_config(name, value, false)"
            " FROM unnest(%s::text[], %s::text[]) AS s(name, value)",
            [list(_SETTINGS), list(_SETTINGS.values())],
        )
    return connection


@dataclass(frozen=True, slots=True)
class Marks:
    """How the triggers of a capability should stand."""

    mover: str
    """The login role that they let pass."""
    owns: bool = True
    """The rows are this side's."""
    fenced: bool = False
    capturing: bool = False


@dataclass(slots=True)
class Link:
    """A session's connection. ``tables`` are the capability's, in the order that locks take."""

    connection: Connection
    capability: str
    arm: Arm
    tables: tuple[str, ...]
    claimed: int = 0
    """How many dirty keys this session holds: it does not see them itself."""
    applied: int = 0
    """The number of the last batch that this session has applied here."""
    _known: dict[str, Described] = field(default_factory=dict)

    def look(self, table: str) -> Described:
        """A table as it is now.

        Raises:
            Unfit: there is none of this name, or of the kind that can be transferred.
        """
        self._known[table] = describe(self.connection, table)
        return self._known[table]

    def known(self, table: str) -> Described:
        """A table as it was when we looked last."""
        return self._known.get(table) or self.look(table)

    @property
    def captured(self) -> tuple[str, ...]:
        """The capability's tables, and the canary's."""
        return (*self.tables, HEARTBEAT)

    def session_user(self) -> str:
        """Our login role."""
        row = self.connection.execute("SELECT session_user::text").fetchone()
        return str(row[0]) if row else ""

    def marks(self) -> Marks | None:
        """What else the owner row says; None where there is none."""
        row = self.connection.execute(
            "SELECT mover, owner = arm, fenced, capturing FROM strangler_owner"
            " WHERE capability = %s",
            [self.capability],
        ).fetchone()
        return None if row is None else Marks(*row)


def door_number(capability: str, arm: Arm) -> int:
    """The advisory lock that is a capability's door."""
    digest = blake2b(f"strangler door {capability} {arm}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def rehearsal_number(capability: str) -> int:
    """The advisory lock of a rehearsal, which the mover shares: one at a time, and no batch."""
    digest = blake2b(f"strangler rehearsal {capability}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def keys_number(capability: str, arm: Arm) -> int:
    """The first half of the advisory locks that keys are locked by."""
    return _signed(zlib.crc32(f"strangler keys {capability} {arm}".encode()))


def _signed(number: int) -> int:
    return number - 2**32 if number >= 2**31 else number
