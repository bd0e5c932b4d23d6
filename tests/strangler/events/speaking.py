"""A database that speaks, of either kind, and buses that write down what they were told."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import MetaData, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.orm import DeclarativeBase

from strangler.events.buses import Bus, BusAway, Refused, Subscription
from strangler.events.envelope import Envelope, decode, encode
from strangler.events.outbox import Outbox, Published, said
from strangler.events.stores import Store
from strangler.events.stores.connect import connect
from strangler.events.stores.writing import Postgres, Sqlite
from strangler.sqlalchemy.events.tables import EventVersion, outbox_tables


class Base(DeclarativeBase):
    metadata = MetaData()


class SkyVersion(EventVersion, Base):
    __tablename__ = "sky_eventversion"


TABLES = outbox_tables(Base.metadata)


class Speaker:
    """Makes the tables, and says events in transactions of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.postgres = url.startswith("postgresql")
        engine = create_engine(
            make_url(url).set(drivername="postgresql+psycopg") if self.postgres else make_url(url)
        )
        Base.metadata.create_all(engine)
        engine.dispose()
        if not self.postgres:
            with closing(self.connection()) as connection:
                connection.execute("PRAGMA journal_mode = WAL")

    def connection(self) -> Any:
        if self.postgres:
            return psycopg.connect(self.url, autocommit=True)
        path = self.url.removeprefix("sqlite:///")
        return sqlite3.connect(path, isolation_level=None, timeout=10)

    def outbox(self, limit: int | None = None) -> Outbox:
        kind = Postgres if self.postgres else Sqlite
        return Outbox(kind("sky_eventversion"), limit=limit)

    def say(self, *events: object, limit: int | None = None) -> list[Published]:
        with closing(self.connection()) as connection:
            connection.execute("BEGIN")
            published = self.outbox(limit).write(
                lambda sql, values: connection.execute(sql, values).fetchall(),
                [said(one) for one in events],
            )
            connection.execute("COMMIT")
        return published

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(self.connection()) as connection:
            return list(connection.execute(sql).fetchall())

    def run(self, sql: str) -> None:
        with closing(self.connection()) as connection:
            connection.execute(sql)

    def store(self) -> Store:
        return connect(self.url)


class RecordingBus(Bus):
    """Writes each event down at the end of a file, which several processes may share."""

    def __init__(
        self,
        path: Path,
        *,
        step: Callable[[str], None] = lambda _: None,
        refuses: Callable[[Envelope], bool] = lambda _: False,
    ) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._step = step
        self._refuses = refuses
        self.away = False
        self.batches: list[int] = []

    def publish(self, events: Sequence[Envelope]) -> Sequence[Refused]:
        if self.away:
            raise BusAway("gone for a walk")
        self.batches.append(len(events))
        refused = []
        for one in events:
            self._step("publish")
            if self._refuses(one):
                refused.append(Refused(one, "too bright"))
            else:
                os.write(self._file, encode(one) + b"\n")
        self._step("published")
        return refused

    def subscribe(self, consumer: str, topics: Collection[str]) -> Subscription:
        raise NotImplementedError

    def close(self) -> None:
        os.close(self._file)


def told(path: Path) -> list[Envelope]:
    """All that was published, repetitions included."""
    return [decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def once(events: Iterable[Envelope]) -> dict[str, list[int]]:
    """The versions of each aggregate as a listener handles them, whose inbox knows repetitions."""
    known: set[str] = set()
    found: dict[str, list[int]] = {}
    for one in events:
        if one.id not in known:
            known.add(one.id)
            found.setdefault(one.partitionkey, []).append(one.version)
    return found
