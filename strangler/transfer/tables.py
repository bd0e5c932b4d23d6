"""What a table is: its columns, its key, and what it refers to, as a database describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class ColumnKind(StrEnum):
    """What Python makes of a column's values."""

    INTEGER = "integer"
    TEXT = "text"
    BOOLEAN = "boolean"
    DECIMAL = "decimal"
    FLOAT = "float"
    BYTES = "bytes"
    UUID = "uuid"
    MOMENT = "moment"
    """A datetime with a time zone, in UTC."""
    NAIVE = "naive"
    """A datetime without one."""
    DATE = "date"
    TIME = "time"
    DURATION = "duration"
    JSON = "json"
    ARRAY = "array"
    OTHER = "other"
    """Carried as text, as the database writes it."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``type`` is the database's own word for it."""

    name: str
    kind: ColumnKind
    type: str
    nullable: bool
    defaulted: bool
    """The database fills it in, if an INSERT leaves it out."""
    generated: bool = False
    """The database computes it, and nobody may write it."""
    sequence: str | None = None
    """What numbers it: a sequence's name on PostgreSQL, the table's own on SQLite."""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference between two tables of one database."""

    columns: tuple[str, ...]
    table: str
    """That it refers to."""
    references: tuple[str, ...]
    deferrable: bool
    """Can be checked at the end of a transaction. Always, on SQLite."""
    acts: bool
    """Deletes or changes rows by itself (CASCADE, SET NULL, SET DEFAULT)."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table as the database describes it."""

    name: str
    key: tuple[str, ...]
    """The primary key's columns; empty where there is none."""
    columns: Mapping[str, Column]
    foreign_keys: tuple[ForeignKey, ...] = ()
    uniques: tuple[tuple[str, ...], ...] = ()
    """The columns of every unique constraint or unique index besides the primary key."""

    @property
    def writable(self) -> tuple[str, ...]:
        """The columns that an INSERT may name."""
        return tuple(name for name, column in self.columns.items() if not column.generated)
