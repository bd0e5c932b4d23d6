"""Pouring: COPY out of the source, through the map, COPY into the target, all at the same time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

from strangler.transfer.database import Claim, Pourer
from strangler.transfer.errors import UniqueTaken
from strangler.transfer.mapping import Target
from strangler.transfer.postgres.errors import spoken
from strangler.transfer.postgres.journal import PostgresClaim
from strangler.transfer.postgres.lines import Outlet, Reader
from strangler.transfer.postgres.link import Link
from strangler.transfer.postgres.schema import Described
from strangler.transfer.postgres.spans import Span
from strangler.transfer.postgres.staging import stage_for
from strangler.transfer.postgres.writing import applying
from strangler.transfer.tables import Table

_BLOCK = 1 << 16
# The keys are many, and of a table of any size: only the way by its index is as long as they are.
_BY_INDEX = (
    "SELECT set_config(name, 'off', true)"
    " FROM unnest('{enable_seqscan,enable_hashjoin,enable_mergejoin}'::text[]) AS s(name)"
)

Texts = Sequence[Sequence[str]]
"""Keys as the journal has them: each a list of texts."""


def pourer(
    source: Link, target: Link, table: Table, to: Sequence[tuple[Target, Table]]
) -> Pourer | None:
    """What pours a table's rows into these; None where their values have to be looked at."""
    if {link.connection.info.encoding for link in (source, target)} != {"utf-8"}:
        return None
    for one, there in to:
        for mine, theirs in one.copied.items():
            if there.columns[mine].kind is not table.columns[theirs].kind:
                return None
    return PostgresPourer(source, target, table.name, [one for one, _ in to])


class PostgresPourer(Pourer):
    """For one map, from the monolith's side to the service's."""

    def __init__(self, source: Link, target: Link, table: str, targets: Sequence[Target]) -> None:
        self._source = source
        self._target = target
        self._table = table
        self._targets = targets
        self._straight = True

    def pour(self, claim: Claim, *, token: int, epoch: int) -> None:
        """Carry the claimed rows of the table."""
        if not isinstance(claim, PostgresClaim):
            raise TypeError("a claim of the session that this was made of")
        keys, span = claim.texts(self._table), claim.span(self._table)
        try:
            self._pour(keys, span, token=token, epoch=epoch)
        except UniqueTaken:
            if not self._straight:
                raise
            self._straight = False  # some are there already, so there will be more
            self._pour(keys, span, token=token, epoch=epoch)

    def _pour(self, keys: Texts, span: Span | None, *, token: int, epoch: int) -> None:
        # So many keys share every lock there is.
        with applying(self._target, token=token, epoch=epoch, keys=None), spoken():
            known = self._source.known(self._table)
            reader = Reader(self._source, known, tuple(known.table.columns))
            outlets = [
                Outlet(self._target, self._target.known(target.table), target, reader)
                for target in self._targets
            ]
            if span is not None:
                within = sql.SQL("{} t WHERE {}").format(known.name, _within(known, span))
                self._rows(known, within, outlets)
            if not keys:
                return
            poured = self._rows(known, _found(known, keys, span), outlets)
            if poured < len(keys) and (gone := self._absent(known, keys)):
                for outlet in outlets:
                    self._delete(outlet, known, gone)

    def _rows(self, known: Described, found: sql.Composed, outlets: Sequence[Outlet]) -> int:
        """The first target's rows go there while they come; the others' when all have come."""
        first, *others = outlets
        waiting: list[list[bytes]] = [[] for _ in others]
        count = 0
        with self._into(first) as put, self._source.connection.transaction():
            block: list[bytes] = []
            size = 0
            for line in self._lines(known, found):
                fields = line[:-1].split(b"\t")
                made = first.line(fields)
                block.append(made)
                size += len(made)
                for outlet, lines in zip(others, waiting, strict=True):
                    lines.append(outlet.line(fields))
                count += 1
                if size > _BLOCK:
                    put.write(b"".join(block))
                    block, size = [], 0
            put.write(b"".join(block))
        for outlet, lines in zip(others, waiting, strict=True):
            with self._into(outlet) as put:
                put.write(b"".join(lines))
        return count

    def _lines(self, known: Described, found: sql.Composed) -> Iterator[bytes]:
        connection = self._source.connection
        connection.execute(_BY_INDEX)
        query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(
            known.selected("t", tuple(known.table.columns)), found
        )
        with connection.cursor() as cursor, cursor.copy(query) as lines:
            for line in lines:
                yield bytes(line)

    @contextmanager
    def _into(self, outlet: Outlet) -> Iterator[psycopg.Copy]:
        """COPY into the table; or beside it, where its rows may be there already."""
        known, connection = outlet.known, self._target.connection
        listed = sql.SQL(", ").join(map(sql.Identifier, outlet.columns))
        place = known.name
        if not self._straight:
            place = stage_for(self._target, known, outlet.columns)
        query = sql.SQL("COPY {} ({}) FROM STDIN").format(place, listed)
        with connection.cursor() as cursor, cursor.copy(query) as put:
            yield put
        if not self._straight:
            connection.execute(
                sql.SQL(
                    "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE"
                    " SELECT {columns} FROM {stage} ON CONFLICT ({key}) DO {action}"
                ).format(
                    table=known.name,
                    columns=listed,
                    stage=place,
                    key=sql.SQL(", ").join(map(sql.Identifier, known.table.key)),
                    action=known.overwriting(outlet.columns),
                )
            )

    def _absent(self, known: Described, keys: Texts) -> Texts:
        """Those of which there is no row (any more): what has one by now is dirty once more."""
        texts = sql.SQL(", ").join(map(sql.Identifier, known.table.key))
        rows = self._source.connection.execute(
            sql.SQL(
                "SELECT {texts} FROM unnest({given}) AS k({texts})"
                " WHERE NOT EXISTS (SELECT FROM {table} t WHERE {same})"
            ).format(
                texts=texts,
                given=_arrays(known.table.key, known.table.key, keys),
                table=known.name,
                same=_same(known, known.table.key),
            )
        )
        return rows.fetchall()

    def _delete(self, outlet: Outlet, source: Described, gone: Texts) -> None:
        known = outlet.known
        order = [outlet.target.copied[name] for name in known.table.key]
        self._target.connection.execute(
            sql.SQL(
                "DELETE FROM {table} t USING unnest({given}) AS k({texts}) WHERE {same}"
            ).format(
                table=known.name,
                given=_arrays(order, source.table.key, gone),
                texts=sql.SQL(", ").join(map(sql.Identifier, known.table.key)),
                same=_same(known, known.table.key),
            )
        )


def _found(known: Described, keys: Texts, besides: Span | None) -> sql.Composed:
    """A FROM clause: the rows ``t`` of these keys, without those of a span."""
    key = known.table.key
    if len(key) == 1:
        found = sql.SQL("{} t WHERE {} = ANY({}{})").format(
            known.name,
            sql.Identifier("t", key[0]),
            _listed(known, keys),
            known.cast(key[0], array=True),
        )
    else:
        found = sql.SQL("unnest({}) AS k({}) JOIN {} t ON true WHERE {}").format(
            _arrays(key, key, keys),
            sql.SQL(", ").join(map(sql.Identifier, key)),
            known.name,
            _same(known, key),
        )
    if besides is None:
        return found
    return sql.SQL("{} AND NOT ({})").format(found, _within(known, besides))


def _within(known: Described, span: Span) -> sql.Composed:
    """The rows ``t`` of a span."""
    key = sql.SQL(", ").join(known.ordered("t"))
    bounds = ((span.after, ">"), (span.until, "<="))
    return sql.SQL(" AND ").join(
        sql.SQL("({}) {} ({})").format(
            key,
            sql.SQL(sign),
            sql.SQL(", ").join(
                sql.SQL("{}{}").format(part, known.compared(name))
                for part, name in zip(bound, known.table.key, strict=True)
            ),
        )
        for bound, sign in bounds
        if bound is not None
    )


def _listed(known: Described, keys: Texts) -> sql.Composable:
    """The texts of keys of one column, as an array."""
    if known.plain:
        return sql.Literal("{" + ",".join(one for (one,) in keys) + "}")
    return _arrays(known.table.key, known.table.key, keys)


def _arrays(order: Sequence[str], key: Sequence[str], keys: Texts) -> sql.Composed:
    """The texts of keys, which are in the order of ``key``, as an array for each of ``order``."""
    places = [list(key).index(name) for name in order]
    return sql.SQL(", ").join(
        sql.SQL("{}::text[]").format(sql.Literal([one[place] for one in keys])) for place in places
    )


def _same(known: Described, key: Sequence[str]) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}{}").format(
            sql.Identifier("t", name), sql.Identifier("k", name), known.cast(name)
        )
        for name in key
    )
