"""The service's tables: what is told to whom, what customers want, and what has been heard."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import JSON, Boolean, CheckConstraint, Index, Integer, MetaData, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from contracts.notifications import NotificationState
from extracted.notifications.deciding import Wishes
from extracted.notifications.moments import Moment
from strangler.sqlalchemy.events import inbox

PENDING, SENT, FAILED, GIVEN_UP = (state.value for state in NotificationState)


class Base(DeclarativeBase):
    """All tables of this service."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "ck": "%(table_name)s_%(constraint_name)s",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        }
    )
    type_annotation_map: ClassVar = {
        datetime: Moment,
        dict[str, Any]: JSON().with_variant(JSONB(), "postgresql"),
    }


class Notification(Base):
    """What a customer is told of an order, by one channel.

    Attributes:
        id: see ``deciding.identify``; a receiver knows a second copy by it.
        data: what is said of the order, beside its id.
        happened_at: what is told.
        attempts: how often somebody has begun to send it.
        due_at: when it may be sent; while somebody is at it, when they are given up for dead. None
            where nothing is to be done.
        token: of whoever has begun last: nobody else may say what became of it.
        reason: why it could not be sent.
    """

    __tablename__ = "notification"
    __table_args__ = (
        CheckConstraint(
            f"(state IN ('{PENDING}', '{FAILED}') AND due_at IS NOT NULL AND sent_at IS NULL)"
            f" OR (state = '{SENT}' AND due_at IS NULL AND sent_at IS NOT NULL)"
            f" OR (state = '{GIVEN_UP}' AND due_at IS NULL AND sent_at IS NULL)",
            name="open_is_due",
        ),
        CheckConstraint("attempts >= 0", name="attempts_not_negative"),
        Index("notification_newest_idx", "customer", "created_at"),
        Index(
            "notification_due_idx",
            "due_at",
            postgresql_where=text("due_at IS NOT NULL"),
            sqlite_where=text("due_at IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(index=True)
    customer: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(32))
    channel: Mapped[str] = mapped_column(String(16))
    data: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(Integer)
    due_at: Mapped[datetime | None]
    token: Mapped[UUID | None]
    reason: Mapped[str] = mapped_column(String(300))
    happened_at: Mapped[datetime]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


class Preference(Base):
    """What a customer wants who does not want what everybody gets: mail, and nothing else.

    Attributes:
        webhook: where a program of theirs is told too.
        secret: proves to it that we are telling.
    """

    __tablename__ = "preference"

    customer: Mapped[str] = mapped_column(String(64), primary_key=True)
    email: Mapped[bool] = mapped_column(Boolean)
    webhook: Mapped[str] = mapped_column(String(500))
    secret: Mapped[str] = mapped_column(String(100))

    @property
    def wishes(self) -> Wishes:
        """The same, for whoever decides."""
        return Wishes(email=self.email, webhook=self.webhook)


class Inbox(inbox.InboxEntry, Base):
    """What notifications has been told."""

    __tablename__ = "inbox"


class ParkedEvent(inbox.ParkedEvent, Base):
    """What it could not handle yet."""

    __tablename__ = "parked_event"
