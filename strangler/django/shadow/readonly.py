"""Whatever is done for a comparison changes nothing: a transaction that is always rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import connections, transaction


@contextmanager
def read_only() -> Iterator[None]:
    """No write inside reaches any database, and nothing waits there for a commit.

    PostgreSQL, MySQL and SQLite refuse writes; on others they are rolled back at the end.
    """
    with ExitStack() as stack:
        for alias in connections:
            stack.enter_context(_read_only(alias))
        yield


@contextmanager
def _read_only(alias: str) -> Iterator[None]:
    connection: Any = connections[alias]
    if connection.in_atomic_block:
        # Within somebody's transaction nothing can be made read-only; it has to end in a rollback.
        with _rolled_back(alias):
            yield
        return
    if connection.vendor == "sqlite":
        with _query_only(connection), _rolled_back(alias):
            yield
        return
    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
    with _rolled_back(alias):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION READ ONLY")
        yield


@contextmanager
def _rolled_back(alias: str) -> Iterator[None]:
    with transaction.atomic(using=alias):
        try:
            yield
        finally:
            transaction.set_rollback(True, using=alias)


@contextmanager
def _query_only(connection: Any) -> Iterator[None]:
    """SQLite: a transaction that takes no lock until it has to, and then may not."""
    connection.ensure_connection()
    raw = connection.connection
    mode = getattr(connection, "transaction_mode", None)
    raw.execute("PRAGMA query_only = ON")
    if mode is not None:
        connection.transaction_mode = "DEFERRED"
    try:
        yield
    finally:
        if mode is not None:
            connection.transaction_mode = mode
        if connection.connection is raw:
            raw.execute("PRAGMA query_only = OFF")
