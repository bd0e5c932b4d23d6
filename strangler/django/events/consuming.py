"""The consumers of a Django project: what its contexts' handlers and models make of themselves.

Nothing has to be wired: a capability that the manifest lets subscribe has a module ``handlers`` in
its context, with ``handlers = Handlers("its name")``, and among its models one that derives from
``InboxEntry`` and one from ``ParkedEvent``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from django.core.signals import setting_changed
from django.db import Error as DjangoError
from django.db import connections, router, transaction
from django.db.models import Model

from strangler.django import conf, tables
from strangler.django.doors import fencing, writers
from strangler.django.doors.fencing import Fenced
from strangler.django.events.inbox import InboxEntry, ParkedEvent
from strangler.events.book import Book, Dialect, Tables
from strangler.events.consumer import Consumer
from strangler.events.failing import Verdict, transient
from strangler.events.subscribe import Handlers, NoConsumer
from strangler.manifest import Capability


class Swallowed(Exception):
    """A handler has caught an error of the database, and left a transaction that can't go on."""


class DjangoLedger:
    """The inbox of one capability, in the database that its models are written to.

    ``using`` is the alias of another one.
    """

    def __init__(
        self, consumer: str, inbox: type[Model], parked: type[Model], *, using: str | None = None
    ) -> None:
        self._consumer = consumer
        self._using = using
        self._inbox = inbox
        self._tables = Tables(inbox._meta.db_table, parked._meta.db_table)  # noqa: SLF001  # Django's documented name for it

    @contextmanager
    def transaction(self) -> Iterator[Book]:
        """One transaction; what handlers write to this database is part of it.

        Raises:
            Swallowed: it would have been undone quietly.
        """
        alias = self._alias()
        connection = connections[alias]
        connection.close_if_unusable_or_obsolete()
        by = writers.doing(f"events:{self._consumer}")
        with by, transaction.atomic(using=alias, durable=True):
            yield self._book(connection)
            if connection.needs_rollback:
                raise Swallowed(
                    "a handler has caught an error of the database: wrap what may fail there in "
                    "transaction.atomic()"
                )
        fencing.taken()

    @contextmanager
    def reading(self) -> Iterator[Book]:
        """The tables as they are at this moment."""
        connection = connections[self._alias()]
        connection.close_if_unusable_or_obsolete()
        yield self._book(connection)

    def verdict(self, error: BaseException) -> Verdict | None:
        """What an error of Django's means."""
        if isinstance(error, Fenced):
            fencing.taken()
            if error.owner is None:
                return Verdict.LATER
            return Verdict.NOT_OURS if error.capability == self._consumer else Verdict.POISON
        if isinstance(error, DjangoError):
            return Verdict.LATER if transient(error.__cause__ or error) else Verdict.POISON
        return None

    def _alias(self) -> str:
        return self._using or router.db_for_write(self._inbox)

    def _book(self, connection: Any) -> Book:
        def execute(statement: str, parameters: Sequence[Any]) -> Sequence[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters)
                return cursor.fetchall() if cursor.description else ()

        dialect: Dialect = "postgresql" if connection.vendor == "postgresql" else "sqlite"
        return Book(execute, self._tables, dialect)


def consumers() -> Mapping[str, Consumer]:
    """Those of the capabilities that the manifest lets subscribe, and whose context is here.

    Raises:
        NoConsumer: one of them can't listen.
    """
    return MappingProxyType(
        {
            name: consumer(name)
            for name, one in conf.manifest().capabilities.items()
            if one.subscribes and tables.app(one) is not None
        }
    )


@cache
def consumer(name: str) -> Consumer:
    """The consumer of a capability.

    Raises:
        NoConsumer: it has none.
    """
    capability = conf.manifest().capabilities.get(name)
    if capability is None or not capability.subscribes:
        raise NoConsumer(f"the manifest has no capability {name!r} that subscribes to anything")
    found = handlers(capability)
    if found is None:
        raise NoConsumer(
            f"{capability.context}.handlers has no `handlers`: write "
            f'handlers = Handlers("{name}") there'
        )
    inbox, parked = model(capability, InboxEntry), model(capability, ParkedEvent)
    if inbox is None or parked is None:
        raise NoConsumer(
            f"{capability.context} has no table for its inbox: derive a model from InboxEntry and "
            "one from ParkedEvent (strangler.django.events.inbox)"
        )
    return Consumer(found, DjangoLedger(name, inbox, parked), told=capability.subscribes)


def handlers(capability: Capability) -> Handlers | None:
    """What a capability's context does about events; None if it says nothing.

    Raises:
        BadHandler: one of them is none.
    """
    named = f"{capability.context}.handlers"
    try:
        if find_spec(named) is None:
            return None
    except ModuleNotFoundError:
        return None  # there is no such context
    found = getattr(import_module(named), "handlers", None)
    return found if isinstance(found, Handlers) else None


def model(capability: Capability, kind: type[Model]) -> type[Model] | None:
    """The capability's model that derives from this abstract one."""
    return next((one for one in tables.tables(capability) if issubclass(one, kind)), None)


def _forget(*, setting: str, **_: object) -> None:
    if setting in {"STRANGLER", "DATABASES", "DATABASE_ROUTERS", "INSTALLED_APPS"}:
        consumer.cache_clear()


setting_changed.connect(_forget)
