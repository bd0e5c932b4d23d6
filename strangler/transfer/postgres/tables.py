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
CREATE TABLE IF NOT EXISTS strangler_applied (
    capability text PRIMARY KEY,
    number bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS strangler_asked (
    capability text PRIMARY KEY,
    number bigint NOT NULL,
    answered bigint NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS strangler_rehearsal (
    capability text NOT NULL,
    xact xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE TABLE IF NOT EXISTS strangler_rehearsed (
    capability text NOT NULL,
    tbl text NOT NULL,
    said jsonb NOT NULL
);
CREATE TABLE IF NOT EXISTS strangler_delivered (
    capability text NOT NULL,
    rehearsal text COLLATE "C" NOT NULL,
    said text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS strangler_delivered_rehearsal ON strangler_delivered (rehearsal);
"""
# A row in strangler_rehearsal dooms its transaction: whoever commits raises. So nobody ever sees
# one but its own transaction, and nothing that the fence lets pass for it can last. The trigger is
# a constraint's, which waits for the end, and cannot be avoided by deleting the row.
NEVER = """
CREATE OR REPLACE FUNCTION strangler_never() RETURNS trigger LANGUAGE plpgsql AS $never$
BEGIN
  RAISE EXCEPTION USING
    ERRCODE = 'SFNCR',
    MESSAGE = format('a rehearsal of %s is never committed', NEW.capability),
    HINT = 'Nothing was written.';
END
$never$;
DROP TRIGGER IF EXISTS strangler_never ON strangler_rehearsal;
CREATE CONSTRAINT TRIGGER strangler_never AFTER INSERT ON strangler_rehearsal
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION strangler_never();
ALTER TABLE strangler_rehearsal ENABLE ALWAYS TRIGGER strangler_never
"""
# What was delivered of a rehearsed command is for whoever knows the rehearsal's name, a secret.
DELIVERED = """
CREATE OR REPLACE FUNCTION strangler_delivered_of(wanted text) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
    AS $of$ SELECT said FROM strangler_delivered WHERE rehearsal = wanted ORDER BY at $of$
"""
# Whoever may ask whether all has come may not say that it has.
ASK = """
CREATE OR REPLACE FUNCTION strangler_ask(wanted text) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
    AS $ask$
INSERT INTO strangler_asked AS a (capability, number)
    SELECT capability, 1 FROM strangler_owner WHERE capability = wanted
    ON CONFLICT (capability) DO UPDATE SET number = a.number + 1 RETURNING number
$ask$
"""
# Whoever keeps the door reads the owner row, and how far the journal is; neither is a secret.
GRANTS = """
GRANT SELECT ON strangler_owner TO PUBLIC;
GRANT SELECT (id, capability) ON strangler_journal TO PUBLIC;
GRANT SELECT ON SEQUENCE strangler_journal_id_seq TO PUBLIC;
GRANT SELECT ON strangler_applied, strangler_asked TO PUBLIC;
GRANT SELECT ON strangler_rehearsal, strangler_rehearsed TO PUBLIC;
GRANT INSERT (capability) ON strangler_rehearsal TO PUBLIC
"""

NAMES = (
    "strangler_owner", "strangler_journal", "strangler_span", "strangler_parked",
    "strangler_heartbeat", "strangler_applied", "strangler_asked", "strangler_rehearsal",
    "strangler_rehearsed", "strangler_delivered",
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
