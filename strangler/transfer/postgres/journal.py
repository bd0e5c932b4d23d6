"""The journal: dirty keys claimed, counted and looked up; what is parked beside it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, overload

import psycopg
from psycopg import sql

from strangler.transfer.database import HEARTBEAT, Claim, Entry, Parked
from strangler.transfer.mapping import Key
from strangler.transfer.postgres import spans
from strangler.transfer.postgres.link import Connection, Link
from strangler.transfer.postgres.rows import key_texts
from strangler.transfer.postgres.spans import Span

# By an array, so that the planner goes by the index however large the journal is.
_CLAIM = """
DELETE FROM strangler_journal j
 WHERE j.capability = %(capability)s AND j.id = ANY(ARRAY(
   SELECT id FROM strangler_journal WHERE capability = %(capability)s
    ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
RETURNING j.id, j.tbl, j.key, extract(epoch FROM j.at)::float8, j.writer, j.door
"""
_STARTED = """
SELECT clock_timestamp(),
       EXISTS (SELECT FROM strangler_parked WHERE capability = %(capability)s),
       EXISTS (SELECT FROM strangler_span WHERE capability = %(capability)s)
"""
# Whoever parked them again meanwhile has done so since.
_SETTLED = """
DELETE FROM strangler_parked p USING unnest(%s::text[], %s::text[]) AS k(tbl, key)
 WHERE p.capability = %s AND p.tbl = k.tbl AND p.key = k.key AND p.since < %s
"""
_DELIVERED = "INSERT INTO strangler_delivered (capability, rehearsal, said) VALUES (%s, %s, %s)"
_OUTDATED = "DELETE FROM strangler_delivered WHERE at < clock_timestamp() - interval '1 minute'"
_OLDEST = """
SELECT extract(epoch FROM clock_timestamp() - min(at))::float8 FROM (
  (SELECT at FROM strangler_journal WHERE capability = %(capability)s ORDER BY id LIMIT 1)
  UNION ALL
  (SELECT at FROM strangler_span WHERE capability = %(capability)s ORDER BY id LIMIT 1)) first
"""
_BEAT = """
WITH ours AS (
  SELECT capability FROM strangler_owner
   WHERE capability = %s AND owner = arm AND NOT frozen FOR SHARE)
INSERT INTO strangler_heartbeat (capability, beat, at)
SELECT capability, %s, clock_timestamp() FROM ours
ON CONFLICT (capability) DO UPDATE SET beat = EXCLUDED.beat, at = EXCLUDED.at
/*strangler door=1 by=mover*/"""


class Entries(Sequence[Entry]):
    """What the journal said, read when somebody looks at it."""

    def __init__(self, link: Link, rows: Sequence[tuple[Any, ...]], span: Span | None) -> None:
        self._link = link
        self._rows = rows
        self._span = span

    @cached_property
    def _read(self) -> list[Entry]:
        known = self._link.known
        read = [
            Entry(number, table, known(table).key_of(key), _at(at), writer, door)
            for number, table, key, at, writer, door in self._rows
        ]
        return read + (spans.entries(self._link, self._span) if self._span else [])

    def __len__(self) -> int:
        """How many they are; those of a span, as they were counted when it was called dirty."""
        return len(self._rows) + (self._span.rows if self._span else 0)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        return self._read[index]


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class PostgresClaim(Claim):
    """Entries whose deletion has not been committed yet, and perhaps a span of a backfill."""

    def __init__(self, link: Link, rows: Sequence[tuple[Any, ...]], span: Span | None) -> None:
        self._link = link
        self._rows = rows
        self._span = span
        self.entries = Entries(link, rows, span)
        self.delivered = []

    def highest(self) -> int:
        """The highest number among them; 0 for none."""
        return max((row[0] for row in self._rows), default=0)

    def sizes(self) -> Mapping[str, int]:
        """How many there are, by table."""
        sizes = Counter(row[1] for row in self._rows)
        if self._span is not None:
            sizes[self._span.table] += self._span.rows
        return sizes

    def besides(self, tables: Collection[str]) -> Sequence[Entry]:
        """Those of other tables."""
        span = self._span if self._span and self._span.table not in tables else None
        return Entries(self._link, [row for row in self._rows if row[1] not in tables], span)

    def census(self) -> Mapping[tuple[str, str, bool], int]:
        """How many there are, by table, writer, and whether by the door."""
        census = Counter((row[1], row[4], row[5]) for row in self._rows)
        if self._span is not None:
            census[self._span.table, spans.WRITER, True] += self._span.rows
        return census

    def span(self, table: str) -> Span | None:
        """What a backfill has called dirty of one table."""
        return self._span if self._span and self._span.table == table else None

    def texts(self, table: str) -> list[list[str]]:
        """The keys of one table, each once, as the journal has them."""
        keys = dict.fromkeys(row[2] for row in self._rows if row[1] == table)
        if self._link.known(table).plain:
            return [[key[2:-2]] for key in keys]
        return [json.loads(key) for key in keys]


@contextmanager
def claim(link: Link, limit: int) -> Iterator[PostgresClaim]:
    """Some dirty keys, oldest first; a key that was parked before is so no more, once settled."""
    with link.connection.transaction():
        asked = {"capability": link.capability, "limit": limit}
        row = link.connection.execute(_STARTED, asked).fetchone()
        started, some_parked, some_spans = row or (None, False, False)
        rows = link.connection.execute(_CLAIM, asked).fetchall()
        rows.sort()
        # What is written now goes before what was there when it began.
        span = spans.claim(link) if some_spans and len(rows) < limit else None
        claimed = PostgresClaim(link, rows, span)
        count = len(claimed.entries)
        link.claimed += count
        try:
            yield claimed
        finally:
            link.claimed -= count
        if some_parked and rows:
            named = [[row[1] for row in rows], [row[2] for row in rows]]
            link.connection.execute(_SETTLED, [*named, link.capability, started])
        if claimed.delivered:
            link.connection.execute(_OUTDATED)
            with link.connection.cursor() as cursor:
                cursor.executemany(
                    _DELIVERED,
                    [(link.capability, one.rehearsal, one.said) for one in claimed.delivered],
                )


def pending(link: Link) -> int:
    """How many dirty keys there are; what this session has claimed itself is among them."""
    row = link.connection.execute(
        "SELECT count(*) FROM strangler_journal WHERE capability = %s", [link.capability]
    ).fetchone()
    return link.claimed + (int(row[0]) if row else 0) + spans.rows(link)


def oldest(link: Link) -> float | None:
    """The age of the first of them."""
    row = link.connection.execute(_OLDEST, {"capability": link.capability}).fetchone()
    return None if row is None or row[0] is None else max(0.0, float(row[0]))


def dirty(link: Link, table: str, keys: Collection[Key]) -> set[Key]:
    """Which of these keys stand in the journal, or are parked."""
    listed = list(keys)
    if not listed:
        return set()
    texts = key_texts(link, table, listed)
    rows = link.connection.execute(
        "SELECT key FROM strangler_journal WHERE capability = %(cap)s AND tbl = %(table)s"
        " AND key = ANY(%(keys)s) UNION SELECT key FROM strangler_parked"
        " WHERE capability = %(cap)s AND tbl = %(table)s AND key = ANY(%(keys)s)",
        {"cap": link.capability, "table": table, "keys": list(texts)},
    )
    return {texts[key] for (key,) in rows} | spans.covered(link, table, listed)


def parked(link: Link, limit: int) -> list[Parked]:
    """What could not be applied, oldest first."""
    rows = link.connection.execute(
        "SELECT tbl, key, reason, at FROM strangler_parked WHERE capability = %s"
        " ORDER BY at, tbl, key LIMIT %s",
        [link.capability, limit],
    ).fetchall()
    return [
        Parked(table, link.known(table).key_of(key), reason, at) for table, key, reason, at in rows
    ]


def count_parked(link: Link) -> int:
    """How many that are."""
    row = link.connection.execute(
        "SELECT count(*) FROM strangler_parked WHERE capability = %s", [link.capability]
    ).fetchone()
    return int(row[0]) if row else 0


def beat(link: Link, number: int) -> None:
    """Touch the canary row, unless this side does not own, or is frozen: then nobody writes."""
    link.connection.execute(_BEAT, [link.capability, number])


def heard(link: Link) -> tuple[int, float] | None:
    """The canary row's number and age."""
    row = link.connection.execute(
        sql.SQL(
            "SELECT beat, extract(epoch FROM clock_timestamp() - at)::float8 FROM {}"
            " WHERE capability = %s"
        ).format(sql.Identifier(HEARTBEAT)),
        [link.capability],
    ).fetchone()
    return None if row is None else (int(row[0]), float(row[1]))


def position(connection: Connection) -> int:
    """The highest number that the journal has given; 0 where there is none."""
    try:
        row = connection.execute("SELECT last_value FROM strangler_journal_id_seq").fetchone()
    except psycopg.errors.UndefinedTable:
        return 0
    return int(row[0]) if row else 0


def applied(connection: Connection, capability: str, position: int) -> bool:
    """Is nothing of the capability left in the journal up to there?"""
    try:
        row = connection.execute(_LEFT, [capability, position]).fetchone()
    except psycopg.errors.UndefinedTable:
        return True
    return row is None


def delivered(connection: Connection, rehearsal: str) -> list[str]:
    """What has been said of this rehearsal's command."""
    try:
        rows = connection.execute("SELECT strangler_delivered_of(%s)", [rehearsal]).fetchall()
    except psycopg.errors.UndefinedFunction:
        return []
    return [said for (said,) in rows]


_LEFT = "SELECT 1 FROM strangler_journal WHERE capability = %s AND id <= %s LIMIT 1"
