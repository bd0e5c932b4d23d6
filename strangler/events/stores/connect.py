"""A store by its URL; the driver is imported where one of its kind is named."""

from __future__ import annotations

from contextlib import closing

from strangler.events.stores import Store, StoreAway, Unprepared


def connect(url: str) -> Store:
    """One connection to a database that speaks.

    Raises:
        StoreAway: it can't be reached.
        Unprepared: it has no outbox, or the URL names neither PostgreSQL nor SQLite.
    """
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme in {"postgresql", "postgres"}:
        try:
            from strangler.events.stores.postgres import PostgresStore  # noqa: PLC0415 - see above
        except ImportError as error:
            raise Unprepared(f"{error}; install strangler[transfer]") from error
        return PostgresStore(url)
    if scheme == "sqlite":
        from strangler.events.stores.sqlite import SqliteStore  # noqa: PLC0415 - see above

        return SqliteStore(url)
    raise Unprepared(
        f"a database begins with postgresql:// or sqlite:///, and this one with {scheme!r}"
    )


def speaks(url: str) -> bool:
    """Has this database an outbox, as far as anybody can say now? One that is away may have."""
    try:
        return prepared(url)
    except StoreAway:
        return True


def prepared(url: str) -> bool:
    """Has this database an outbox?

    Raises:
        StoreAway: nobody can say.
    """
    try:
        with closing(connect(url)) as store:
            store.look()
    except Unprepared:
        return False
    return True
