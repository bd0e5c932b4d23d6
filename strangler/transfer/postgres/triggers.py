"""The SQL of capture and fence.

Capture is by statement, with transition tables: one INSERT into the journal for each statement of
the application, however many rows it writes. The fence is by row, BEFORE: a statement that writes
no row is let through. TRUNCATE has triggers of its own for both. All of them are ``ENABLE ALWAYS``
or disabled, so ``session_replication_role`` evades none.

A trigger that is off costs all the same what PostgreSQL prepares for it: a BEFORE ROW trigger a
moment for each row, and COPY its batches; a transition table a copy of every row. So whoever
switches one off also makes it a trigger of TRUNCATE, and whoever switches it on makes it again what
it should be: ``CREATE OR REPLACE TRIGGER`` takes the lock that ``ENABLE`` takes, which waits for
writers and lets readers on, where dropping it would wait for readers too.

Whose writes they let pass: a session whose login role is the mover's **and** whose transaction says
that it applies this capability (``strangler.mover``, which ``applying`` sets for the transaction).
The role is the ``session_user``: in a cascade the ``current_user`` is the table's owner. Where the
mover has a login role of its own, as it should, nobody else can pass by whatever they set. Where
mover and application share a role, as in a demo, an application that set ``strangler.mover`` itself
would pass too, and its writes would be neither captured nor refused: nothing of ours ever sets it
in an application's transaction, and being local to a transaction it outlives none in a pool. The
fence lets a rehearsal's transaction pass, too, which can never be committed.

Rows that logical replication applies fire no statement trigger: a subscriber's table is not
captured.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from psycopg import sql

from strangler.transfer.database import HEARTBEAT
from strangler.transfer.fence import SQLSTATE
from strangler.transfer.postgres import kinds
from strangler.transfer.postgres.schema import Described
from strangler.transfer.tables import ColumnKind

MARK = "strangler.mover"
"""The setting in which a transaction says whose rows it applies."""

REFUSE = "strangler_refuse"

FENCES = ("strangler_fence", "strangler_fence_truncate")
CAPTURES = (
    "strangler_capture_insert",
    "strangler_capture_update",
    "strangler_capture_delete",
    "strangler_capture_truncate",
)

_IDLE = "BEFORE TRUNCATE ON {table} FOR EACH STATEMENT"
"""What a trigger is that is off: neither rows nor transition tables are prepared for it."""
_EVENTS = {
    "strangler_fence": "BEFORE INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW",
    "strangler_fence_truncate": _IDLE,
    "strangler_capture_insert": (
        "AFTER INSERT ON {table} REFERENCING NEW TABLE AS strangler_new FOR EACH STATEMENT"
    ),
    "strangler_capture_update": (
        "AFTER UPDATE ON {table} REFERENCING OLD TABLE AS strangler_old NEW TABLE AS strangler_new"
        " FOR EACH STATEMENT"
    ),
    "strangler_capture_delete": (
        "AFTER DELETE ON {table} REFERENCING OLD TABLE AS strangler_old FOR EACH STATEMENT"
    ),
    "strangler_capture_truncate": _IDLE,
}

# A rehearsal's transaction can never be committed (see ``tables.NEVER``): what it writes is let
# pass, and written down beside it.
_FENCE = """
DECLARE
  said record;
BEGIN
  IF TG_OP <> 'TRUNCATE' AND EXISTS (
    SELECT FROM strangler_rehearsal WHERE capability = TG_ARGV[0] AND xact = pg_current_xact_id())
  THEN
    INSERT INTO strangler_rehearsed (capability, tbl, said)
      SELECT TG_ARGV[0], TG_TABLE_NAME, one
        FROM (VALUES (to_jsonb(OLD)), (to_jsonb(NEW))) AS both_rows (one)
       WHERE one IS NOT NULL;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
  END IF;
  SELECT owner, epoch, frozen INTO said FROM strangler_owner WHERE capability = TG_ARGV[0];
  RAISE EXCEPTION USING
    ERRCODE = 'STATE',
    TABLE = TG_TABLE_NAME,
    MESSAGE = format('the fence of %s refuses this %s on %s: ', TG_ARGV[0], TG_OP, TG_TABLE_NAME)
      || CASE WHEN said.frozen THEN 'its rows are changing owner at this moment'
              ELSE format('its rows belong to the %s since epoch %s', said.owner, said.epoch) END,
    HINT = CASE WHEN said.frozen THEN 'Nothing was written. Try again in a few seconds.'
                ELSE format('Nothing was written. Send the command by its path or its port:'
                            ' strangler status %s says where it goes.', TG_ARGV[0]) END;
END
""".replace("'STATE'", f"'{SQLSTATE}'")

_EXACT = {ColumnKind.INTEGER, ColumnKind.UUID}
_BYTES = '{0}::text COLLATE "C" AS {0}'

# Whom it lets pass is asked here and not by the trigger's WHEN, which is prepared anew for every
# statement: for a commit of one row, that would be a quarter of what capture costs.
#
# A statement says who wrote it in a comment at its end; the application's execute wrapper adds it.
# The variables' names are the kit's: a table may have a column that is called "writer".
_CAPTURE = """
DECLARE
  strangler_said text :=
    split_part(right(rtrim(current_query(), E' ;\\n'), 400), '/*strangler ', -1);
  strangler_writer text;
  strangler_door boolean := false;
BEGIN
  IF {passes} THEN
    RETURN NULL;
  END IF;
  IF strangler_said LIKE 'door=_ by=%*/' THEN
    strangler_door := substr(strangler_said, 6, 1) = '1';
    strangler_writer := substr(strangler_said, 11, length(strangler_said) - 12);
  ELSE
    strangler_writer := current_setting('application_name') || '/' || session_user;
  END IF;
  IF TG_OP = 'INSERT' THEN
    {insert}
  ELSIF TG_OP = 'UPDATE' THEN
    {update}
  ELSIF TG_OP = 'DELETE' THEN
    {delete}
  ELSE
    {truncate}
  END IF;
  RETURN NULL;
END
"""


def fence_function(schema: str) -> sql.Composed:
    """CREATE OR REPLACE of the function that refuses; one for all tables of a schema."""
    return _function(schema, REFUSE, sql.SQL(_FENCE), [])


def capture_name(table: str) -> str:
    """The function that writes a table's dirty keys to the journal."""
    name = f"strangler_capture_{table}"
    if len(name.encode()) > 63:
        digest = blake2b(table.encode(), digest_size=8).hexdigest()
        name = f"strangler_capture_{digest}"
    return name


def capture_function(described: Described, capability: str, mover: str) -> sql.Composed:
    """CREATE OR REPLACE of that function."""
    table = described.table
    own = sql.Identifier(described.schema, table.name)
    new, old = sql.Identifier("strangler_new"), sql.Identifier("strangler_old")
    body = sql.SQL(_CAPTURE).format(
        passes=_passes(table.name, capability, mover),
        insert=_journal(described, capability, new),
        update=_journal(described, capability, _both(described)),
        delete=_journal(described, capability, old),
        truncate=_journal(described, capability, own),
    )
    settings = {kinds.KEY_SETTINGS.get(table.columns[name].kind) for name in table.key}
    name = capture_name(table.name)
    return _function(described.schema, name, body, sorted(filter(None, settings)))


def _passes(table: str, capability: str, mover: str) -> sql.Composed:
    """Does the mover write here? What it writes to the canary's table, for any capability."""
    return sql.SQL(
        "coalesce(current_setting({mark}, true), '') <> ''"
        if table == HEARTBEAT
        else "session_user = {mover} AND coalesce(current_setting({mark}, true), '') = {capability}"
    ).format(mark=MARK, mover=mover, capability=capability)


def _journal(described: Described, capability: str, source: sql.Composable) -> sql.Composed:
    """INSERT of the keys of these rows."""
    # The canary's table is every capability's: its triggers are always on, its row says whose it
    # is, and the owner row whether that capability is captured.
    canary = described.table.name == HEARTBEAT
    return sql.SQL(
        "INSERT INTO strangler_journal (capability, tbl, key, writer, door)"
        " SELECT {capability}, {table}, {key}, strangler_writer, strangler_door"
        " FROM {source} k{only};"
    ).format(
        capability=sql.SQL("k.capability") if canary else sql.Literal(capability),
        table=described.table.name,
        key=described.key_text("k"),
        source=source,
        only=sql.SQL(
            " JOIN strangler_owner o ON o.capability = k.capability AND o.capturing"
            if canary
            else ""
        ),
    )


def _both(described: Described) -> sql.Composed:
    """The old and the new keys of an UPDATE, each once."""
    # By their text where equal ones may be written differently: 1.0 and 1.00 are two keys here.
    key = sql.SQL(", ").join(
        sql.SQL("{}" if described.table.columns[name].kind in _EXACT else _BYTES).format(
            sql.Identifier(name)
        )
        for name in described.table.key
    )
    return sql.SQL(
        "(SELECT {key} FROM strangler_new UNION SELECT {key} FROM strangler_old)"
    ).format(key=key)


def _function(
    schema: str, name: str, body: sql.Composable, settings: list[tuple[str, str]]
) -> sql.Composed:
    sets = sql.SQL("").join(
        sql.SQL(" SET {} = {}").format(sql.Identifier(setting), value)
        for setting, value in settings
    )
    return sql.SQL(
        "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
        " SET search_path = pg_catalog, {schema}, pg_temp{sets} AS {body}"
    ).format(
        name=sql.Identifier(name),
        schema=sql.Identifier(schema),
        sets=sets,
        body=sql.Literal(body.as_string(None)),
    )


@dataclass(frozen=True, slots=True)
class State:
    """How a trigger stands. ``made`` says what for, and is "" of one that somebody else made."""

    enabled: str
    """``tgenabled``: one of ``ON`` and ``OFF``, if it is the kit that has switched it."""
    made: str
    mark: str
    """The fingerprint of function and events, by which one that was made before today is told."""


ON, OFF = "A", "D"
"""A trigger fires always, or never."""


def marks(described: Described, capability: str, mover: str) -> dict[str, str]:
    """The triggers that a table should have today, by name, and the fingerprint of each."""
    capture = capture_function(described, capability, mover)
    return {
        name: fingerprint(
            _create(described.table.name, name, capability, mover, on=True),
            sql.SQL(_FENCE) if name in FENCES else capture,
        )
        for name in (CAPTURES if described.table.name == HEARTBEAT else (*FENCES, *CAPTURES))
    }


def switched(
    table: str, name: str, capability: str, mover: str, mark: str, *, on: bool
) -> sql.Composed:
    """Make a trigger, or make it another, so that it fires whatever the session says, or not."""
    how = "ENABLE ALWAYS" if on else "DISABLE"
    return sql.SQL(
        "{create} EXECUTE FUNCTION {function}({capability}, {made}, {mark});"
        " ALTER TABLE {table} {how} TRIGGER {name}"
    ).format(
        create=_create(table, name, capability, mover, on=on),
        function=sql.Identifier(REFUSE if name in FENCES else capture_name(table)),
        capability="" if table == HEARTBEAT else capability,
        made=ON if on else OFF,
        mark=mark,
        table=sql.Identifier(table),
        how=sql.SQL(how),
        name=sql.Identifier(name),
    )


def _create(table: str, name: str, capability: str, mover: str, *, on: bool) -> sql.Composed:
    refuse = sql.SQL(" WHEN (NOT ({}))").format(_passes(table, capability, mover))
    return sql.SQL("CREATE OR REPLACE TRIGGER {name} {event}{when}").format(
        name=sql.Identifier(name),
        event=sql.SQL(_EVENTS[name] if on else _IDLE).format(table=sql.Identifier(table)),
        when=refuse if name in FENCES else sql.SQL(""),
    )


def fingerprint(*parts: sql.Composable) -> str:
    """What tells a trigger that we would make today from one that was made before."""
    text = "\n".join(part.as_string(None) for part in parts)
    return blake2b(text.encode(), digest_size=8).hexdigest()
