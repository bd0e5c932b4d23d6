"""Saying in a service what has happened.

::

    events = Publisher(ProductVersion)

    with database.transaction() as session:
        session.add(product)
        events.publish(session, ProductChanged(sku=product.sku, …))
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.orm import Session

from strangler.events.outbox import LIMIT, NotInTransaction, Outbox, Published, said
from strangler.events.stores.writing import Postgres, Sqlite
from strangler.sqlalchemy.events.tables import EventVersion


class Publisher:
    """Says a capability's events, within the transactions that they speak of.

    Args:
        versions: the service's own table of versions, which travels with its rows.
        limit: events that may wait to be published; None where nobody counts, as with Debezium.
    """

    def __init__(self, versions: type[EventVersion], *, limit: int | None = LIMIT) -> None:
        table = vars(versions).get("__table__")
        if not isinstance(table, Table):
            raise TypeError(f"{versions.__qualname__} is no model: mix EventVersion into one")
        self._postgres = Outbox(Postgres(table.name), limit=limit)
        self._sqlite = Outbox(Sqlite(table.name), limit=limit)

    def publish(self, session: Session, event: object) -> Published:
        """Say it: others are told once this session's transaction has been committed.

        Raises:
            NotInTransaction: the session has begun none.
            UnknownEvent, Unwritable: it is no event, or does not fit on a wire.
            OutboxFull: too many wait to be published; the transaction has to be undone.
        """
        return self.publish_all(session, [event])[0]

    def publish_all(self, session: Session, events: Iterable[object]) -> Sequence[Published]:
        """Say all of these, in this order, in one statement for every thousand.

        Raises:
            NotInTransaction, UnknownEvent, Unwritable, OutboxFull: as for one.
        """
        rows = [said(one) for one in events]
        if not session.in_transaction():
            raise NotInTransaction(
                "an event is said by the transaction that it speaks of: publish it within "
                "database.transaction(), beside the rows that it is about"
            )
        connection = session.connection()

        def execute(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in connection.exec_driver_sql(sql, tuple(values))]

        outbox = self._sqlite if connection.dialect.name == "sqlite" else self._postgres
        return outbox.write(execute, rows)
