"""How an outbox is written: in one statement on PostgreSQL, in two on SQLite."""

# ruff: noqa: S608 - names are the kit's or quoted, and values are bound

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strangler.events.outbox import (
    BACKLOG,
    COLUMNS,
    OUTBOX,
    Dialect,
    Execute,
    Published,
    Said,
    counts,
)
from strangler.events.stores.moments import written

_COLUMNS = ", ".join(f'"{name}"' for name in COLUMNS)
_WAITING = f"(SELECT waiting - position FROM {BACKLOG} WHERE id = 1)"
_KINDS = (
    "uuid", "text", "text", "text", "text", "integer", "text", "smallint", "text", "timestamptz",
)  # fmt: skip
"""PostgreSQL's, of the fields of ``Said``."""


class Postgres(Dialect):
    """Versions and rows in one statement, however many they are."""

    def __init__(self, versions: str, *, mark: str = "%s") -> None:
        super().__init__(versions, mark=mark)
        upsert = f"INSERT INTO {self._versions} AS v (aggregate, version)"
        conflict = (
            "ON CONFLICT (aggregate) DO UPDATE SET version = v.version + EXCLUDED.version "
            "RETURNING v.aggregate, v.version"
        )
        into = f"INSERT INTO {OUTBOX} AS o ({_COLUMNS}) SELECT"
        returning = f"RETURNING o.id, o.version, o.position + coalesce({_WAITING}, 0)"
        one = [f"{mark}::{kind}" for kind in _KINDS]
        self._one = (
            f"WITH said AS ({upsert} VALUES ({mark}, 1) {conflict}) {into} "
            f"{', '.join([*one[:3], 'said.version', *one[3:]])} FROM said {returning}"
        )
        many = ", ".join(f"{mark}::{kind}[]" for kind in (*_KINDS, "text", "integer"))
        names = [*(name for name in COLUMNS if name != "version"), "aggregate", "later"]
        given = ", ".join(f'"{name}"' for name in names)
        picked = ", ".join(
            "said.version - e.later" if name == "version" else f'e."{name}"' for name in COLUMNS
        )
        self._many = (
            f"WITH said AS ({upsert} SELECT * FROM unnest({mark}::text[], {mark}::bigint[]) "
            f"{conflict}) {into} {picked} "
            f"FROM unnest({many}) WITH ORDINALITY AS e({given}, number) "
            f"JOIN said ON said.aggregate = e.aggregate ORDER BY e.number {returning}"
        )

    def write(self, execute: Execute, events: Sequence[Said]) -> list[tuple[Published, int]]:
        """Insert these; gives each one's version, and how many would be waiting with it."""
        if len(events) == 1:
            rows = execute(self._one, [events[0].aggregate, *events[0]])
        else:
            rows = execute(self._many, self._arrays(events))
        found = {id_: (version, waiting) for id_, version, waiting in rows}
        return [(Published(one.id, found[one.id][0]), found[one.id][1]) for one in events]

    def _arrays(self, events: Sequence[Said]) -> list[list[Any]]:
        left = counts(events)
        head: list[list[Any]] = [list(left), list(left.values())]
        aggregates = [one.aggregate for one in events]
        later = []
        for aggregate in aggregates:
            left[aggregate] -= 1
            later.append(left[aggregate])
        columns: list[list[Any]] = [list(column) for column in zip(*events, strict=True)]
        return [*head, *columns, aggregates, later]


class Sqlite(Dialect):
    """Its one writer is alone already, so two statements cost what one would."""

    def __init__(self, versions: str, *, mark: str = "?") -> None:
        super().__init__(versions, mark=mark)
        self._count = (
            f"INSERT INTO {self._versions} (aggregate, version) VALUES ({mark}, 1) "
            "ON CONFLICT (aggregate) DO UPDATE SET version = version + 1 RETURNING version"
        )
        self._insert = (
            f"INSERT INTO {OUTBOX} ({_COLUMNS}) VALUES ({', '.join([mark] * len(COLUMNS))}) "
            f"RETURNING position + coalesce({_WAITING}, 0)"
        )

    def write(self, execute: Execute, events: Sequence[Said]) -> list[tuple[Published, int]]:
        """Insert these; gives each one's version, and how many would be waiting with it."""
        done = []
        for one in events:
            ((version,),) = execute(self._count, [one.aggregate])
            row = [one.id.hex, *one[1:3], version, *one[3:-1], written(one.at)]
            ((waiting,),) = execute(self._insert, row)
            done.append((Published(one.id, version), waiting))
        return done
