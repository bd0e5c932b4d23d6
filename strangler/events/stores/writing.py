"""How an outbox is written: in one statement on PostgreSQL, in two on SQLite."""

# ruff: noqa: S608 - names are the kit's or quoted, and values are bound

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strangler.events.outbox import COLUMNS, OUTBOX, Dialect, Execute, Published, Said, counts
from strangler.events.stores.moments import written

_COLUMNS = ", ".join(f'"{name}"' for name in COLUMNS)
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
        one = [f"{mark}::{kind}" for kind in _KINDS]
        self._one = (
            f"WITH said AS ({upsert} VALUES ({mark}, 1) {conflict}) {into} "
            f"{', '.join([*one[:3], 'said.version', *one[3:]])} FROM said "
            "RETURNING o.version, o.position"
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
            f"JOIN said ON said.aggregate = e.aggregate ORDER BY e.number "
            "RETURNING o.id, o.version, o.position"
        )

    def write(self, execute: Execute, events: Sequence[Said]) -> tuple[list[Published], int]:
        """Insert these; gives them with their versions, and the last position."""
        if len(events) == 1:
            (one,) = events
            ((version, position),) = execute(self._one, [one.aggregate, *one])
            return [Published(one.id, version)], position
        rows = execute(self._many, self._arrays(events))
        versions = {id_: version for id_, version, _ in rows}
        last = max(position for _, _, position in rows)
        return [Published(one.id, versions[one.id]) for one in events], last

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
            'RETURNING "position"'
        )

    def write(self, execute: Execute, events: Sequence[Said]) -> tuple[list[Published], int]:
        """Insert these; gives them with their versions, and the last position."""
        done, position = [], 0
        for one in events:
            ((version,),) = execute(self._count, [one.aggregate])
            row = [one.id.hex, *one[1:3], version, *one[3:-1], written(one.at)]
            ((position,),) = execute(self._insert, row)
            done.append(Published(one.id, version))
        return done, position
