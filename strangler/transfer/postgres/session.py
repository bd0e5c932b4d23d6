"""A session: one connection, and all that the mover does on it."""

# ruff: noqa: D102 -- the seam says what each method does
from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import psycopg

from strangler.ladder import Arm
from strangler.transfer import untold
from strangler.transfer.database import INSTALLING, Database, Digest, Owner, Parked, Pourer, Session
from strangler.transfer.mapping import Key, Row, Target
from strangler.transfer.postgres import (
    asking,
    digests,
    holding,
    install,
    journal,
    pouring,
    rows,
    steps,
    vacuums,
    writing,
)
from strangler.transfer.postgres.errors import spoken
from strangler.transfer.postgres.link import Link, connect
from strangler.transfer.tables import Table

Given = ParamSpec("Given")
Result = TypeVar("Result")


def _spoken(method: Callable[Given, Result]) -> Callable[Given, Result]:
    """The method, whose errors are the seam's."""

    @wraps(method)
    def speaking(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        with spoken():
            return method(*args, **kwargs)

    return speaking


class PostgresDatabase(Database):
    """A capability's tables on PostgreSQL, in the first schema of the URL's search path."""

    def __init__(self, url: str, *, capability: str, arm: Arm, tables: Sequence[str]) -> None:
        self.capability = capability
        self.arm = arm
        self.tables = tuple(tables)
        self._url = url

    def session(self) -> PostgresSession:
        name = f"strangler mover {self.capability}"
        link = Link(
            connect(self._url, name=name), self.capability, self.arm, tuple(sorted(self.tables))
        )
        return PostgresSession(link)


class PostgresSession(Session):
    """One connection to one side's database."""

    numbers_past_rows = False

    def __init__(self, link: Link) -> None:
        self._link = link

    def close(self) -> None:
        with suppress(psycopg.Error):
            self._link.connection.close()

    @_spoken
    def inspect(self, table: str) -> Table:
        return self._link.look(table).table

    @_spoken
    def install(self, *, owner: Arm, epoch: int, patience: float = INSTALLING) -> None:
        install.install(self._link, owner=owner, epoch=epoch, patience=patience)

    @_spoken
    def missing(self) -> list[str]:
        return install.missing(self._link)

    @_spoken
    def remove(self) -> None:
        install.remove(self._link)

    @_spoken
    def set_aside(self) -> list[str]:
        return install.set_aside(self._link)

    @_spoken
    def owner(self) -> Owner | None:
        return steps.read_owner(self._link.connection, self._link.capability)

    @_spoken
    def seize(self, token: int) -> Owner:
        return steps.seize(self._link, token)

    @contextmanager
    def step(self, *, token: int, epoch: int) -> Iterator[steps.PostgresStep]:
        with steps.step(self._link, token=token, epoch=epoch) as step:
            yield step

    @_spoken
    def pending(self) -> int:
        return journal.pending(self._link)

    @_spoken
    def oldest(self) -> float | None:
        return journal.oldest(self._link)

    @contextmanager
    def claim(self, limit: int) -> Iterator[journal.PostgresClaim]:
        with spoken(), journal.claim(self._link, limit) as claimed:
            yield claimed

    @_spoken
    def untold(self) -> dict[str, int]:
        return untold.untold(self._told)

    def _told(self, query: str) -> list[tuple[Any, ...]] | None:
        given = [self._link.capability] * query.count("?")
        try:
            return self._link.connection.execute(query.replace("?", "%s"), given).fetchall()
        except psycopg.errors.UndefinedTable:
            return None

    @_spoken
    def position(self) -> int:
        return journal.position(self._link.connection)

    @_spoken
    def carried(self, position: int) -> bool:
        return journal.applied(self._link.connection, self._link.capability, position)

    @_spoken
    def asked(self) -> int:
        return asking.asked(self._link)

    @_spoken
    def answer(self, number: int, *, token: int, epoch: int) -> None:
        asking.answer(self._link, number, token=token, epoch=epoch)

    @property
    def applied(self) -> int:
        return self._link.applied

    @_spoken
    def dirty(self, table: str, keys: Collection[Key]) -> set[Key]:
        return journal.dirty(self._link, table, keys)

    @_spoken
    def parked(self, limit: int = 100) -> list[Parked]:
        return journal.parked(self._link, limit)

    @_spoken
    def count_parked(self) -> int:
        return journal.count_parked(self._link)

    @_spoken
    def beat(self, number: int) -> None:
        journal.beat(self._link, number)

    @_spoken
    def heard(self) -> tuple[int, float] | None:
        return journal.heard(self._link)

    @_spoken
    def read(self, table: Table, columns: Sequence[str], keys: Collection[Key]) -> dict[Key, Row]:
        return rows.read(self._link, table.name, columns, keys)

    @_spoken
    def chunk(
        self, table: Table, columns: Sequence[str], after: Key | None, limit: int,
        until: Key | None = None,
    ) -> list[tuple[Key, Row]]:  # fmt: skip
        return rows.chunk(self._link, table.name, columns, after, until=until, limit=limit)

    @_spoken
    def digest(
        self,
        table: Table,
        columns: Sequence[str],
        after: Key | None,
        *,
        until: Key | None = None,
        limit: int | None = None,
    ) -> Digest | None:
        return digests.digest(self._link, table.name, columns, after, until=until, limit=limit)

    @_spoken
    def count(self, table: Table) -> int:
        return rows.count(self._link, table.name)

    @_spoken
    def last_number(self, table: str, column: str) -> int:
        return rows.last_number(self._link, table, column)

    @contextmanager
    def applying(
        self, *, token: int, epoch: int, keys: Iterable[tuple[str, Key]]
    ) -> Iterator[writing.PostgresWriter]:
        with writing.applying(self._link, token=token, epoch=epoch, keys=keys) as writer:
            yield writer

    @_spoken
    def pourer(
        self, target: Session, table: Table, to: Sequence[tuple[Target, Table]]
    ) -> Pourer | None:
        if not isinstance(target, PostgresSession):
            return None
        return pouring.pourer(self._link, target._link, table, to)  # noqa: SLF001 - our own

    @_spoken
    def close_door(self, *, patience: float) -> None:
        holding.close(self._link, patience=patience)

    @_spoken
    def open_door(self) -> None:
        holding.open_again(self._link)

    @_spoken
    def evict(self) -> None:
        holding.evict(self._link)

    @_spoken
    def hinders(self) -> list[str]:
        return vacuums.hinders(self._link)

    @_spoken
    def quieten(self, *, on: bool) -> None:
        vacuums.quieten(self._link, on=on)
