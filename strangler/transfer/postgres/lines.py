"""Rows as COPY writes them in its text format: a line each, fields between tabs.

What a map copies is passed on as it was read, and never looked at. A computed column is asked for
the row's values, and only those that it wants are read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from psycopg import pq, sql
from psycopg.adapt import PyFormat, Transformer

from strangler.transfer.mapping import Target, Up, computed
from strangler.transfer.postgres import kinds
from strangler.transfer.postgres.link import Link
from strangler.transfer.postgres.schema import Described

NULL = rb"\N"
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_SPECIAL = re.compile(rb"[\b\t\n\v\f\r\\]")
_MEANT = {b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}
_WRITTEN = {meant: b"\\" + said for said, meant in _MEANT.items()} | {b"\\": rb"\\"}


def unescaped(field: bytes) -> bytes:
    """A field's text."""
    if b"\\" not in field:
        return field
    return _ESCAPED.sub(lambda found: _MEANT.get(found[1], found[1]), field)


def escaped(text: bytes) -> bytes:
    """A text as a field."""
    return _SPECIAL.sub(lambda found: _WRITTEN[found[0]], text)


class Reader:
    """Knows what the fields of a table's lines are, in the order of ``columns``."""

    def __init__(self, link: Link, known: Described, columns: Sequence[str]) -> None:
        self._transformer = Transformer.from_context(link.connection)
        self.places = {name: place for place, name in enumerate(columns)}
        empty = link.connection.execute(
            sql.SQL("SELECT {} FROM {} t LIMIT 0").format(
                known.selected("t", tuple(columns)), known.name
            )
        )
        self._loads = [
            self._transformer.get_loader(column.type_code, pq.Format.TEXT).load
            for column in empty.description or ()
        ]

    def value(self, fields: Sequence[bytes], place: int) -> Any:
        """What a query would have given for this field."""
        field = fields[place]
        return None if field == NULL else self._loads[place](unescaped(field))


class Line(Mapping[str, Any]):
    """One line as a row: a value is read when it is asked for."""

    __slots__ = ("_fields", "_reader")

    def __init__(self, reader: Reader, fields: Sequence[bytes]) -> None:
        self._reader = reader
        self._fields = fields

    def __getitem__(self, name: str) -> Any:
        return self._reader.value(self._fields, self._reader.places[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._reader.places)

    def __len__(self) -> int:
        return len(self._reader.places)


class Outlet:
    """Makes the lines of one of a map's targets from the fields of its source's."""

    def __init__(self, link: Link, known: Described, target: Target, reader: Reader) -> None:
        self.known = known
        self.target = target
        self._reader = reader
        self._transformer = Transformer.from_context(link.connection)
        copied = target.copied
        self._computed: list[tuple[str, Up, Callable[[Any], Any] | None]] = [
            (column, source, kinds.writer_of(known.table.columns[column].kind))
            for column, source in target.columns.items()
            if not isinstance(source, str)
        ]
        self.columns = (*copied, *(column for column, _, _ in self._computed))
        """In the order that the lines have them."""
        places = [reader.places[source] for source in copied.values()]
        pick = itemgetter(*places)
        self._pick: Callable[[Sequence[bytes]], tuple[bytes, ...]] = (
            pick if len(places) > 1 else lambda fields: (pick(fields),)
        )

    def line(self, fields: Sequence[bytes]) -> bytes:
        """The target's line.

        Raises:
            Unmappable: the row has none.
        """
        made = self._pick(fields)
        if self._computed:
            row = Line(self._reader, fields)
            made += tuple(
                self._field(computed(self.target.table, column, function, row), writer)
                for column, function, writer in self._computed
            )
        return b"\t".join(made) + b"\n"

    def _field(self, value: Any, writer: Callable[[Any], Any] | None) -> bytes:
        if value is True:
            return b"t"
        if value is False:
            return b"f"
        if value is None:
            return NULL
        if writer is not None:
            value = writer(value)
        text = self._transformer.get_dumper(value, PyFormat.TEXT).dump(value)
        return NULL if text is None else escaped(bytes(text))
