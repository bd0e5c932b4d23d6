"""What a service that listens adds to its models: the two tables that its consumer remembers by.

::

    class Inbox(InboxEntry, Base):
        \"\"\"What notifications has been told.\"\"\"

        __tablename__ = "inbox"


    class ParkedEvent(events.ParkedEvent, Base):
        \"\"\"What it could not handle yet.\"\"\"

        __tablename__ = "parked_event"

The columns are those of ``strangler.django.events.inbox``.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from strangler.events.inbox import EVENT, KEY


class InboxEntry:
    """An event that has been taken. Its row keeps it from being handled again."""

    event: Mapped[str] = mapped_column(String(EVENT), primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)


class ParkedEvent:
    """An event that is set aside; see ``strangler.events.inbox.Parked``."""

    event: Mapped[str] = mapped_column(String(EVENT), primary_key=True)
    key: Mapped[str] = mapped_column(String(KEY))
    version: Mapped[int] = mapped_column(BigInteger)
    type: Mapped[str] = mapped_column(String(KEY))
    envelope: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer)
    due: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Index, ...]:
        table = cls.__tablename__  # type: ignore[attr-defined]  # of the service's own class
        return (
            Index(f"{table}_order", "key", "version", "event"),
            Index(f"{table}_due", "due"),
        )
