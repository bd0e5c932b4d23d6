"""The service's tables. The database itself refuses a stock that can't be.

Foreign keys are checked when a transaction ends, and do nothing by themselves: rows are written in
any order, and each that goes is deleted by whoever means it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from extracted.inventory.moments import Moment

NUMBER = BigInteger().with_variant(Integer, "sqlite")  # only an INTEGER numbers itself there
NUMBERED: dict[str, Any] = {"sqlite_autoincrement": True}


class Base(DeclarativeBase):
    """All tables of this service."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "fk": "%(table_name)s_%(column_0_name)s_fkey",
            "ck": "%(table_name)s_%(constraint_name)s",
            "uq": "%(table_name)s_%(constraint_name)s",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        }
    )


def refers(target: str) -> ForeignKey:
    """A foreign key to this column."""
    return ForeignKey(target, deferrable=True, initially="DEFERRED")


class Warehouse(Base):
    """Where goods lie. Orders are served from the lowest ``rank`` first."""

    __tablename__ = "warehouse"
    __table_args__ = (
        UniqueConstraint("code", name="code"),
        CheckConstraint("rank >= 0", name="rank_not_negative"),
        NUMBERED,
    )

    id: Mapped[int] = mapped_column(NUMBER, Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(100))
    rank: Mapped[int] = mapped_column(SmallInteger)


class Stock(Base):
    """How many of a SKU lie in a warehouse, and how many of them are kept for orders."""

    __tablename__ = "stock"
    __table_args__ = (
        UniqueConstraint("sku", "warehouse_id", name="once"),
        CheckConstraint("on_hand >= 0", name="on_hand_not_negative"),
        CheckConstraint("reserved >= 0 AND reserved <= on_hand", name="reserved_is_on_hand"),
        NUMBERED,
    )

    id: Mapped[int] = mapped_column(NUMBER, Identity(), primary_key=True)
    sku: Mapped[str] = mapped_column(String(64))
    warehouse_id: Mapped[int] = mapped_column(NUMBER, refers("warehouse.id"), index=True)
    on_hand: Mapped[int] = mapped_column(Integer)
    reserved: Mapped[int] = mapped_column(Integer)

    warehouse: Mapped[Warehouse] = relationship(viewonly=True)

    @property
    def available(self) -> int:
        """How many may still be reserved."""
        return self.on_hand - self.reserved


class Reason(StrEnum):
    """Why there is more or less on hand than before."""

    RECEIVED = "received"
    COUNTED = "counted"
    DAMAGED = "damaged"
    LOST = "lost"
    SOLD = "sold"
    RETURNED = "returned"


class Movement(Base):
    """One change of what is on hand. Never changed: their sum is what is on hand."""

    __tablename__ = "movement"
    __table_args__ = (CheckConstraint("delta <> 0", name="moves"), NUMBERED)

    id: Mapped[int] = mapped_column(NUMBER, Identity(), primary_key=True)
    stock_id: Mapped[int] = mapped_column(NUMBER, refers("stock.id"), index=True)
    delta: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str] = mapped_column(String(16))
    note: Mapped[str] = mapped_column(String(200), default="")
    order_id: Mapped[UUID | None] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(String(64), default="")
    moved_at: Mapped[datetime] = mapped_column(Moment)

    stock: Mapped[Stock] = relationship(viewonly=True)


class Reservation(Base):
    """What is kept for one order."""

    __tablename__ = "reservation"
    __table_args__ = (Index(None, "state", "expires_at"),)

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)


class Allocation(Base):
    """From which stock a reservation is served; it stays as the record of one that has ended."""

    __tablename__ = "allocation"
    __table_args__ = (
        UniqueConstraint("order_id", "stock_id", name="once"),
        CheckConstraint("quantity > 0", name="positive"),
        NUMBERED,
    )

    id: Mapped[int] = mapped_column(NUMBER, Identity(), primary_key=True)
    order_id: Mapped[UUID] = mapped_column(refers("reservation.order_id"))
    stock_id: Mapped[int] = mapped_column(NUMBER, refers("stock.id"), index=True)
    quantity: Mapped[int] = mapped_column(Integer)

    stock: Mapped[Stock] = relationship(viewonly=True)
