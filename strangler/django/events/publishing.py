"""Saying in a Django context what has happened.

::

    events = Publisher(ProductVersion)

    with transaction.atomic():
        product.save()
        events.publish(ProductChanged(sku=product.sku, …))
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connections, router

from strangler.django import conf
from strangler.django.events.models import EventVersion
from strangler.events.outbox import NotInTransaction, Outbox, Published, said
from strangler.events.stores.writing import Postgres, Sqlite


class Publisher:
    """Says a capability's events, within the transactions that they speak of.

    Args:
        versions: the context's own table of versions, which travels with its rows.
        using: the database; else the one that these rows are written to.
    """

    def __init__(self, versions: type[EventVersion], *, using: str | None = None) -> None:
        self._versions = versions
        self._using = using
        self._outboxes: dict[tuple[str, ...], Outbox] = {}
        """By a database's alias and kind."""

    def publish(self, event: object) -> Published:
        """Say it: others are told once the transaction that is open has been committed.

        Raises:
            NotInTransaction: none is.
            UnknownEvent, Unwritable: it is no event, or does not fit on a wire.
            OutboxFull: too many wait to be published; the transaction has to be undone.
        """
        return self.publish_all([event])[0]

    def publish_all(self, events: Iterable[object]) -> Sequence[Published]:
        """Say all of these, in this order, in one statement for every thousand.

        Raises:
            NotInTransaction, UnknownEvent, Unwritable, OutboxFull: as for one.
        """
        given = [said(one) for one in events]
        using = self._using or router.db_for_write(self._versions)
        connection = connections[using]
        if not connection.in_atomic_block:
            raise NotInTransaction(
                "an event is said by the transaction that it speaks of: publish it within "
                f"transaction.atomic(using={using!r}), beside the rows that it is about"
            )

        def execute(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(sql, values)
                rows: list[tuple[Any, ...]] = cursor.fetchall()
                return rows

        return self._outbox(using, connection.vendor).write(execute, given)

    def _outbox(self, *place: str) -> Outbox:
        found = self._outboxes.get(place)
        if found is None:
            table = self._versions._meta.db_table  # noqa: SLF001  # Django's documented name for it
            postgres = place[1] == "postgresql"
            dialect = Postgres(table) if postgres else Sqlite(table, mark="%s")
            found = self._outboxes[place] = Outbox(dialect, limit=conf.settings().outbox)
        return found
