"""The tables of events, made as those who own them make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import MetaData
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateTable

from strangler.events.buses.database import schema
from strangler.sqlalchemy.events.tables import outbox_tables

EVENT = "(id, aggregatetype, aggregateid, version, type, payload, schema, capability, partition, at"
VALUES = "VALUES (?, 'c.row', '1', ?, 'c.row.written', '{}', 1, ?, 0, '2026-01-02 03:04:05+00:00'"
SAY = f"INSERT INTO strangler_outbox {EVENT}) {VALUES})"
PARK = (
    f"INSERT INTO strangler_outbox_parked {EVENT}, position, reason, parked_at, dropped) {VALUES}, "
    "?, 'too large', '2026-01-02 03:04:05+00:00', ?)"
)
QUEUE = "INSERT INTO strangler_queue (consumer, topic, partition, envelope) VALUES (?, ?, 0, '{}')"

Run = Callable[..., Any]


def make_tables(run: Run, *, kind: str) -> None:
    """The outbox and the queues, of either kind of database."""
    dialect = postgresql.dialect() if kind == "postgres" else sqlite.dialect()  # type: ignore[no-untyped-call]
    for table in outbox_tables(MetaData()):
        run(str(CreateTable(table).compile(dialect=dialect)))
    schema.create(run, vendor="postgresql" if kind == "postgres" else "sqlite")


def say(run: Run, capability: str, version: int) -> str:
    """An event of this capability is said; its id."""
    event = f"{version:032x}"
    run(SAY, event, version, capability)
    return event
