"""The kit's own tables beside a capability's, and the rows that make them of use."""

from __future__ import annotations

from psycopg import sql

# ``capability`` leads the journal's only index: whatever asks it asks for one capability, oldest
# first, and every index more is a cost to the application's writes.
TABLES = """
CREATE TABLE IF NOT EXISTS strangler_owner (
    capability text PRIMARY KEY,
    arm text NOT NULL,
    owner text NOT NULL,
    epoch bigint NOT NULL,
    token bigint NOT NULL DEFAULT 0,
    frozen boolean NOT NULL DEFAULT false,
    fenced boolean NOT NULL DEFAULT false,
    capturing boolean NOT NULL DEFAULT false,
    mover text NOT NULL
);
CREATE TABLE IF NOT EXISTS strangler_journal (
    id bigserial,
    capability text COLLATE "C" NOT NULL,
    tbl text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    writer text NOT NULL DEFAULT '',
    door boolean NOT NULL DEFAULT false,
    PRIMARY KEY (capability, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
        autovacuum_vacuum_insert_threshold = -1);
CREATE TABLE IF NOT EXISTS strangler_span (
    id bigserial,
    capability text COLLATE "C" NOT NULL,
    tbl text COLLATE "C" NOT NULL,
    after text COLLATE "C",
    until text COLLATE "C" NOT NULL,
    rows bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (capability, id)
);
CREATE TABLE IF NOT EXISTS strangler_parked (
    capability text COLLATE "C" NOT NULL,
    tbl text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (capability, tbl, key)
);
CREATE TABLE IF NOT EXISTS strangler_heartbeat (
    capability text PRIMARY KEY,
    beat bigint NOT NULL,
    at timestamptz NOT NULL
);
"""
# Whoever keeps the door reads the owner row, and how far the journal is; neither is a secret.
GRANTS = """
GRANT SELECT ON strangler_owner TO PUBLIC;
GRANT SELECT (id, capability) ON strangler_journal TO PUBLIC;
GRANT SELECT ON SEQUENCE strangler_journal_id_seq TO PUBLIC
"""

NAMES = (
    "strangler_owner", "strangler_journal", "strangler_span", "strangler_parked",
    "strangler_heartbeat",
)  # fmt: skip

INSTALLING = 5_370_120_441
"""The advisory lock of whoever installs anything in this database."""

OWNER_ROW = sql.SQL(
    "INSERT INTO strangler_owner (capability, arm, owner, epoch, mover)"
    " VALUES (%s, %s, %s, %s, session_user)"
    " ON CONFLICT (capability) DO UPDATE SET arm = EXCLUDED.arm, mover = EXCLUDED.mover"
    " WHERE (strangler_owner.arm, strangler_owner.mover)"
    " IS DISTINCT FROM (EXCLUDED.arm, EXCLUDED.mover)"
)
