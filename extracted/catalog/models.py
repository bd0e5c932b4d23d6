"""Catalog's own tables. ``transfer`` says what they are in the monolith."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

from strangler.sqlalchemy.events.tables import EventVersion, outbox_tables


class Moment(TypeDecorator[datetime]):
    """A point in time, always in UTC and always aware; SQLite itself knows no zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 -- SQLAlchemy's signature
        """What is stored."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 -- SQLAlchemy's signature
        """What was stored."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """What the tables share: how constraints are named."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "fk": "%(table_name)s_%(column_0_name)s_fkey",
            "uq": "%(table_name)s_%(column_0_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        }
    )
    type_annotation_map: ClassVar = {
        datetime: Moment,
        dict[str, Any]: JSON().with_variant(JSONB(), "postgresql"),
    }


outbox_tables(Base.metadata)


def _reference(column: str) -> ForeignKey:
    """Checked when the transaction ends: rows come from elsewhere in any order."""
    return ForeignKey(column, deferrable=True, initially="DEFERRED")


class Category(Base):
    """A node of the category tree; ``path`` is the slugs from the root: ``garden/tools``.

    ``depth`` is how many slugs that are.
    """

    __tablename__ = "category"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), primary_key=True
    )
    parent_id: Mapped[int | None] = mapped_column(BigInteger, _reference("category.id"), index=True)
    slug: Mapped[str] = mapped_column(String(50))
    title: Mapped[str] = mapped_column(String(100))
    path: Mapped[str] = mapped_column(String(255), unique=True)
    depth: Mapped[int]


class Product(Base):
    """Something on sale, or ``withdrawn``; ``words`` is the text that a search looks through."""

    __tablename__ = "product"
    __table_args__ = (
        Index(None, "category_id", "withdrawn", "title"),
        Index(None, "withdrawn", "title"),
    )

    sku: Mapped[str] = mapped_column(String(64), primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    details: Mapped[str] = mapped_column(Text)
    category_id: Mapped[int] = mapped_column(BigInteger, _reference("category.id"))
    attributes: Mapped[dict[str, Any]]
    withdrawn: Mapped[bool]
    added_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    words: Mapped[str] = mapped_column(Text)

    category: Mapped[Category] = relationship(lazy="raise")
    price: Mapped[Price] = relationship(lazy="raise", back_populates="product")


class Price(Base):
    """What a product costs, in ten-thousandths of the currency's unit.

    No currency is finer than that, so no price is ever rounded here.
    """

    __tablename__ = "price"
    __table_args__ = (
        CheckConstraint("ten_thousandths > 0", name="positive"),
        Index(None, "currency", "ten_thousandths"),
    )

    sku: Mapped[str] = mapped_column(String(64), _reference("product.sku"), primary_key=True)
    ten_thousandths: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))

    product: Mapped[Product] = relationship(lazy="raise", back_populates="price")


class ProductVersion(EventVersion, Base):
    """How many events of each product there have been."""

    __tablename__ = "productversion"
