"""What an outbox is told, on PostgreSQL and SQLite alike; "?" stands for a value."""

# ruff: noqa: S608 - names are the kit's

from __future__ import annotations

from typing import Final

from strangler.events import stores
from strangler.events.buses.database.schema import QUEUE
from strangler.events.envelope import PARTITIONS
from strangler.events.outbox import BACKLOG, COLUMNS, OUTBOX, PARKED, RELAY, RELAY_PROCESS

EVENT: Final = ", ".join(f'"{name}"' for name in ("position", *COLUMNS))
"""The columns that both tables of events have."""
_SAME: Final = (
    f"FROM {PARKED} AS q WHERE q.aggregatetype = o.aggregatetype "
    "AND q.aggregateid = o.aggregateid AND q.version < o.version AND q.dropped = ''"
)
BEHIND: Final = f"EXISTS (SELECT 1 {_SAME})"
"""Is an earlier event of the same aggregate parked?"""

HELD: Final = f"SELECT partition, holder, token, until FROM {RELAY} ORDER BY partition"
BEGIN: Final = (
    f"INSERT INTO {RELAY} (partition, holder, token, until) VALUES "
    + ", ".join(f"({number}, '', 0, NULL)" for number in range(PARTITIONS))
    + " ON CONFLICT (partition) DO NOTHING"
)
LIVE: Final = (
    f"INSERT INTO {RELAY_PROCESS} (holder, until) VALUES (?, ?) "
    "ON CONFLICT (holder) DO UPDATE SET until = EXCLUDED.until"
)
MEMBERS: Final = f"SELECT holder, until FROM {RELAY_PROCESS}"
DIE: Final = f"DELETE FROM {RELAY_PROCESS} WHERE holder = ?"
TAKE: Final = f"UPDATE {RELAY} SET holder = ?, token = token + 1 WHERE {{partitions}}"
RELEASE: Final = f"UPDATE {RELAY} SET holder = '', until = NULL WHERE {{partitions}}"
RENEW: Final = f"UPDATE {RELAY} SET until = ? WHERE holder = ?"
LEAVE: Final = f"UPDATE {RELAY} SET holder = '', until = NULL WHERE holder = ?"

READ: Final = (
    'SELECT "position", {id}, "type", aggregateid, version, "schema", {at}, {payload}, '
    f"trace, {BEHIND} FROM {OUTBOX} AS o WHERE {{partitions}} AND {{but}} "
    'ORDER BY "position" LIMIT ?'
)
REMOVE: Final = f"DELETE FROM {OUTBOX} WHERE {{positions}} AND {{partitions}}"
PARK: Final = (
    f"INSERT INTO {PARKED} ({EVENT}, reason, parked_at, dropped) "
    f"SELECT {EVENT}, {{reason}}, ?, '' FROM {OUTBOX} AS o WHERE {{positions}} AND {{partitions}}"
)
FIRST: Final = f"'{stores.BEHIND}' || (SELECT min(q.version) {_SAME})"
UNPARK: Final = (
    f"DELETE FROM {OUTBOX} AS o WHERE {{positions}} "
    f'AND EXISTS (SELECT 1 FROM {PARKED} AS q WHERE q."position" = o."position")'
)
BACK: Final = (
    f"INSERT INTO {OUTBOX} ({EVENT}) SELECT {EVENT} FROM {PARKED} WHERE {{which}}",
    f"DELETE FROM {PARKED} WHERE {{which}}",
)
EVERY: Final = "dropped = ''"
OF_ITS_AGGREGATE: Final = (
    "dropped = '' AND (aggregatetype, aggregateid) = "
    f"(SELECT aggregatetype, aggregateid FROM {PARKED} WHERE id = ?)"
)
DROP: Final = f"UPDATE {PARKED} SET dropped = ? WHERE id = ? AND dropped = ''"
FORGET: Final = f"DELETE FROM {PARKED} WHERE dropped <> '' AND parked_at < ?"
LIST: Final = (
    f'SELECT {{id}}, "type", aggregateid, version, reason, parked_at, dropped FROM {PARKED} '
    "WHERE dropped = '' OR ? ORDER BY aggregatetype, aggregateid, version LIMIT ?"
)

COUNT: Final = (
    f'INSERT INTO {BACKLOG} (id, waiting, "position", "at") '
    f"SELECT 1, count(*) + ?, {{last}}, ? FROM {OUTBOX} WHERE true "
    "ON CONFLICT (id) DO UPDATE SET waiting = EXCLUDED.waiting, "
    '"position" = EXCLUDED."position", "at" = EXCLUDED."at" RETURNING waiting'
)
COUNTED: Final = f'SELECT "at" FROM {BACKLOG} WHERE id = 1'
OLDEST: Final = f'SELECT "at" FROM {OUTBOX} ORDER BY "position" LIMIT 1'
BY_CAPABILITY: Final = f"SELECT capability, count(*) FROM {OUTBOX} GROUP BY capability"
PARKED_COUNTS: Final = (
    "SELECT count(CASE WHEN dropped = '' THEN 1 END), count(CASE WHEN dropped <> '' THEN 1 END) "
    f"FROM {PARKED}"
)
QUEUED: Final = (
    "WITH queued AS (SELECT consumer, coalesce({type}, '') AS kind, count(*) AS events, "
    f'min("position") AS first FROM {QUEUE} GROUP BY 1, 2) '
    "SELECT w.consumer, w.kind, w.events, q.envelope "
    f'FROM queued AS w JOIN {QUEUE} AS q ON q."position" = w.first ORDER BY 1, 2'
)
BY_TOPIC: Final = "SELECT consumer, topic, count(*) FROM {queue} GROUP BY consumer, topic"
UNQUEUE: Final = f"DELETE FROM {QUEUE} WHERE consumer = ? AND coalesce({{type}}, '') = ?"
