"""The tables of what a service says; as Django's migrations make them in the monolith.

::

    class Base(DeclarativeBase): ...

    outbox_tables(Base.metadata)

    class ProductVersion(EventVersion, Base):
        __tablename__ = "productversion"
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.orm import Mapped, mapped_column

from strangler.events import outbox

_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # only an INTEGER numbers itself there
_MOMENT = DateTime(timezone=True)


class EventVersion:
    """How many events of one aggregate there have been, on whichever side. Mix it into a model."""

    aggregate: Mapped[str] = mapped_column(Text, primary_key=True)
    """Kind and key, such as ``catalog.product/SKU-1``."""
    version: Mapped[int] = mapped_column(BigInteger)


def outbox_tables(metadata: MetaData) -> tuple[Table, ...]:
    """The kit's own tables, added to a service's metadata."""
    return (
        Table(
            outbox.OUTBOX,
            metadata,
            Column("position", _NUMBER, Identity(), primary_key=True),
            *_event("strangler_outbox"),
            sqlite_autoincrement=True,
        ),
        Table(
            outbox.PARKED,
            metadata,
            Column("position", BigInteger, primary_key=True, autoincrement=False),
            *_event("strangler_outbox_parked"),
            Column("reason", Text, nullable=False),
            Column("parked_at", _MOMENT, nullable=False),
            Column("dropped", Text, nullable=False),
        ),
        Table(
            outbox.RELAY,
            metadata,
            Column("partition", SmallInteger, primary_key=True, autoincrement=False),
            Column("holder", Text, nullable=False),
            Column("token", BigInteger, nullable=False),
            Column("until", _MOMENT),
        ),
        Table(
            outbox.RELAY_PROCESS,
            metadata,
            Column("holder", Text, primary_key=True),
            Column("until", _MOMENT, nullable=False),
        ),
        Table(
            outbox.BACKLOG,
            metadata,
            Column("id", SmallInteger, primary_key=True, autoincrement=False),
            Column("waiting", BigInteger, nullable=False),
            Column("position", BigInteger, nullable=False),
            Column("at", _MOMENT, nullable=False),
        ),
    )


def _event(table: str) -> tuple[Column[object] | UniqueConstraint, ...]:
    return (
        Column("id", Uuid, nullable=False),
        Column("aggregatetype", Text, nullable=False),
        Column("aggregateid", Text, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("type", Text, nullable=False),
        Column("payload", Text, nullable=False),
        Column("schema", Integer, nullable=False),
        Column("capability", Text, nullable=False),
        Column("partition", SmallInteger, nullable=False),
        Column("trace", Text),
        Column("at", _MOMENT, nullable=False),
        UniqueConstraint("id", name=f"{table}_id"),
        UniqueConstraint("aggregatetype", "aggregateid", "version", name=f"{table}_once"),
    )
