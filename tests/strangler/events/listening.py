"""A database that listens, of either kind: a consumer that writes down what it has handled."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Integer, String, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from strangler.events import parking
from strangler.events.consumer import Consumer
from strangler.events.envelope import Envelope, envelope, identifier, payload
from strangler.events.subscribe import Handlers
from strangler.sqlalchemy.database import Database
from strangler.sqlalchemy.events import inbox
from strangler.sqlalchemy.events.ledger import consumer
from tests.strangler.events.sample import StarSeen


class Base(DeclarativeBase):
    pass


class Inbox(inbox.InboxEntry, Base):
    __tablename__ = "inbox"


class ParkedEvent(inbox.ParkedEvent, Base):
    __tablename__ = "parked_event"


class Effect(Base):
    """What has happened, in the order in which it did."""

    __tablename__ = "effect"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    number: Mapped[int]


def star(name: str, number: int, *, version: int | None = None, light: str = "") -> Envelope:
    """An event of one star."""
    return said(StarSeen(name, number, light), name, version or number)


def said(event: Any, key: str, version: int) -> Envelope:
    kind = type(event).__strangler_event__.name
    return envelope(
        id=str(identifier()),
        type=kind,
        key=key,
        version=version,
        schema=1,
        at=datetime.now(UTC),
        payload=payload(event),
        trace="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )


class Listener:
    """Remembers stars; ``trouble`` may raise whatever it likes, before or after."""

    def __init__(self, url: str, *, new: bool = True) -> None:
        self.url = url
        self.database = Database(url, connections=8)
        if new:
            Base.metadata.create_all(self.database.engine)
        self.trouble: Callable[[StarSeen], None] = lambda _: None
        self.afterwards: Callable[[StarSeen], None] = lambda _: None
        self.handlers = Handlers("notes")
        self.handlers.on(self._remember)
        self.consumer: Consumer = consumer(self.handlers, self.database, Inbox, ParkedEvent)

    def _remember(self, event: StarSeen) -> None:
        self.trouble(event)
        with self.database.transaction() as session:
            session.add(Effect(name=event.name, number=event.number))
        self.afterwards(event)

    def take(self, *events: Envelope) -> None:
        self.consumer.take(events)

    def effects(self) -> dict[str, list[int]]:
        with self.database.reading() as session:
            found: dict[str, list[int]] = {}
            for effect in session.scalars(select(Effect).order_by(Effect.id)):
                found.setdefault(effect.name, []).append(effect.number)
        return found

    def parked(self) -> list[tuple[str, int, int]]:
        """Name, version and attempts of each."""
        return [
            (one.key.partition("/")[2], one.version, one.attempts)
            for one in parking.parked(self.consumer)
        ]

    def run(self, sql: str) -> None:
        with self.database.transaction() as session:
            session.execute(text(sql))

    def due(self) -> None:
        """Let time pass, until whatever is to be tried again is due."""
        past = "2001-01-01 00:00:00.000000"
        self.run(f"UPDATE parked_event SET due = '{past}' WHERE due IS NOT NULL")  # noqa: S608 - ours

    def close(self) -> None:
        self.database.close()


def poison(*names: str) -> Callable[[StarSeen], None]:
    """These stars can't be seen."""

    def trouble(event: StarSeen) -> None:
        if event.name in names:
            raise ValueError(f"{event.name} is not there")

    return trouble


def numbers(events: Iterable[Envelope]) -> list[int]:
    return [event.version for event in events]
