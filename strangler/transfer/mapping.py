"""How rows of the monolith's tables become rows of the service's, and back.

Declared once per table of the monolith, in the service's ``transfer.py``::

    tables = (
        TableMap("catalog_category", Target("category", {"id": "id", "title": "name"})),
        TableMap(
            "catalog_product",
            Target("product", {"sku": "sku", "title": "name", "words": searched}),
            Target("price", {"sku": "sku", "minor": minor_units, "currency": "currency"}),
            down={"amount": amount},
        ),
    )

Pure: rows are mappings from column to a Python value (int, str, bool, Decimal, float, bytes, UUID,
aware datetime, date, time, list, dict, None), whatever database they come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
"""One row: column → value."""
Rows = Mapping[str, Row]
"""The rows of one entity in the service's tables: table → row."""
Key = tuple[Any, ...]
"""The values of a primary key, in the key's order."""
Up = Callable[[Row], Any]
"""A column of the service from a whole row of the monolith."""
Down = Callable[[Rows], Any]
"""A column of the monolith from the rows of the service."""


class Unmappable(ValueError):
    """This row has no counterpart on the other side; the message says which column, and why."""


@dataclass(frozen=True)
class Target:
    """One table of the service: each of its columns, and where that comes from.

    A column is copied from the column of the monolith that is named, or computed from the row.
    """

    table: str
    columns: Mapping[str, str | Up]

    @property
    def copied(self) -> dict[str, str]:
        """The columns that are copied as they are: the service's name → the monolith's."""
        return {mine: theirs for mine, theirs in self.columns.items() if isinstance(theirs, str)}


@dataclass(frozen=True, init=False)
class TableMap:
    """One table of the monolith, and the tables of the service that hold the same.

    Every target's primary key is made of copies of the source's, so that either key names both.

    Attributes:
        source: the monolith's table.
        targets: the service's tables.
        down: the columns of the monolith that no target holds as they are, each from the service's
            rows.
        kept: the columns of the monolith that the service knows nothing of, and the value that each
            has in a row that was born in the service; on the way back they are left as they are.
    """

    source: str
    targets: tuple[Target, ...]
    down: Mapping[str, Down] = field(default_factory=dict)
    kept: Mapping[str, Any] = field(default_factory=dict)

    def __init__(
        self,
        source: str,
        *targets: Target,
        down: Mapping[str, Down] | None = None,
        kept: Mapping[str, Any] | None = None,
    ) -> None:
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "targets", targets)
        object.__setattr__(self, "down", dict(down or {}))
        object.__setattr__(self, "kept", dict(kept or {}))

    def up(self, row: Row) -> dict[str, dict[str, Any]]:
        """The service's rows of one row of the monolith.

        Raises:
            Unmappable: it has none.
        """
        return {target.table: dict(_made(target, row)) for target in self.targets}

    def back(self, rows: Rows) -> dict[str, Any]:
        """The mapped columns of the monolith's row; those that are kept are left out.

        Raises:
            Unmappable: it has none, or the service has only some of its rows.
        """
        row: dict[str, Any] = {}
        for target in self.targets:
            if target.table not in rows:
                raise Unmappable(f"{target.table}: it has no row of this key")
            mine = rows[target.table]
            for column, theirs in target.copied.items():
                if theirs not in self.down:
                    row[theirs] = mine[column]
        for column, down in self.down.items():
            row[column] = computed(self.source, column, down, rows)
        return row

    def mapped(self) -> frozenset[str]:
        """The monolith's columns that the service can say."""
        copied = {theirs for target in self.targets for theirs in target.copied.values()}
        return frozenset(copied | set(self.down))


def _made(target: Target, row: Row) -> Iterator[tuple[str, Any]]:
    for column, source in target.columns.items():
        if isinstance(source, str):
            yield column, row[source]
        else:
            yield column, computed(target.table, column, source, row)


def computed(table: str, column: str, function: Callable[[Any], Any], given: Any) -> Any:
    """What a map's function makes of a row, or of rows.

    Raises:
        Unmappable: nothing.
    """
    try:
        return function(given)
    except Exception as error:
        said = str(error) or type(error).__name__
        raise Unmappable(f"{table}.{column}: {said}") from error


@dataclass(frozen=True, slots=True)
class KeyMap:
    """How the key of a source's row becomes the key of a target's, and back: a reordering."""

    to_target: tuple[int, ...]
    to_source: tuple[int, ...]

    def up(self, key: Key) -> Key:
        """The target's key."""
        return tuple(key[position] for position in self.to_target)

    def down(self, key: Key) -> Key:
        """The source's key."""
        return tuple(key[position] for position in self.to_source)


def key_map(target: Target, source_key: Sequence[str], target_key: Sequence[str]) -> KeyMap:
    """How the keys of a pair of tables correspond.

    Raises:
        ValueError: the target's key is not made of copies of the source's key, one for one.
    """
    copied = target.copied
    named = [copied.get(column) for column in target_key]
    if sorted(map(str, named)) != sorted(source_key):
        raise ValueError(
            f"{target.table}: its primary key ({', '.join(target_key)}) has to be copied from the "
            f"source's ({', '.join(source_key)}), and is made of "
            f"({', '.join(str(name) for name in named)})"
        )
    to_target = tuple(list(source_key).index(str(name)) for name in named)
    to_source = tuple(named.index(column) for column in source_key)
    return KeyMap(to_target, to_source)


def by_table(maps: Iterable[TableMap]) -> dict[str, TableMap]:
    """The map that each table belongs to, of either side.

    Raises:
        ValueError: a table is named twice.
    """
    found: dict[str, TableMap] = {}
    for one in maps:
        for table in (one.source, *(target.table for target in one.targets)):
            if table in found:
                raise ValueError(f"{table} is in two maps: each table belongs to one")
            found[table] = one
    return found
