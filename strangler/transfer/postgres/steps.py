"""The owner row, and the transactions that have locked it."""

# ruff: noqa: D102 -- the seam says what each method does
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

from strangler.ladder import Arm
from strangler.transfer.database import Owner, Parked, Step
from strangler.transfer.errors import Superseded, Unfit
from strangler.transfer.mapping import Key
from strangler.transfer.postgres import spans, triggers
from strangler.transfer.postgres.errors import spoken
from strangler.transfer.postgres.install import states
from strangler.transfer.postgres.link import Connection, Link, Marks
from strangler.transfer.postgres.locks import alter
from strangler.transfer.postgres.rows import key_texts, last_number

_OWNER = "SELECT owner, epoch, token, frozen FROM strangler_owner WHERE capability = %s"


def read_owner(connection: Connection, capability: str) -> Owner | None:
    """The owner row as it is committed now; None where nothing is installed."""
    try:
        row = connection.execute(_OWNER, [capability]).fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return None if row is None else Owner(Arm(row[0]), row[1], row[2], row[3])


def locked_owner(link: Link, *, token: int, epoch: int, share: bool) -> Owner:
    """The owner row, locked until the transaction ends.

    Raises:
        Superseded: it has another token or epoch.
    """
    how = sql.SQL(" FOR SHARE" if share else " FOR UPDATE")
    row = link.connection.execute(
        sql.Composed([sql.SQL(_OWNER), how]), [link.capability]
    ).fetchone()
    if row is None:
        raise Superseded(f"{link.capability} has no owner row here any more")
    owner = Owner(Arm(row[0]), row[1], row[2], row[3])
    if (owner.token, owner.epoch) != (token, epoch):
        raise Superseded(
            f"{link.capability}: the owner row has token {owner.token} and epoch {owner.epoch},"
            f" and we have {token} and {epoch}"
        )
    return owner


def seize(link: Link, token: int) -> Owner:
    """Let this token be the only one that counts.

    Raises:
        Superseded: a later one has been here.
    """
    row = link.connection.execute(
        "UPDATE strangler_owner SET token = %s WHERE capability = %s AND token <= %s"
        " RETURNING owner, epoch, token, frozen",
        [token, link.capability, token],
    ).fetchone()
    if row is not None:
        return Owner(Arm(row[0]), row[1], row[2], row[3])
    owner = read_owner(link.connection, link.capability)
    if owner is None:
        raise Unfit([f"{link.capability} is not installed here: install it first"])
    raise Superseded(f"{link.capability}: token {owner.token} has been here, ours is {token}")


@contextmanager
def step(link: Link, *, token: int, epoch: int) -> Iterator[PostgresStep]:
    """A transaction that has locked the owner row."""
    with spoken(), link.connection.transaction():
        yield PostgresStep(link, locked_owner(link, token=token, epoch=epoch, share=False))


class PostgresStep(Step):
    """One such transaction."""

    def __init__(self, link: Link, owner: Owner) -> None:
        self._link = link
        self._connection = link.connection
        self.owner = owner

    def record(self, *, owner: Arm, epoch: int, frozen: bool) -> None:
        with spoken():
            self._connection.execute(
                "UPDATE strangler_owner SET owner = %s, epoch = %s, frozen = %s"
                " WHERE capability = %s",
                [owner, epoch, frozen, self._link.capability],
            )
        self.owner = Owner(owner, epoch, self.owner.token, frozen)

    def fence(self, *, up: bool, patience: float) -> None:
        self._switch(triggers.FENCES, "fenced", on=up, patience=patience)

    def capture(self, *, on: bool, patience: float) -> None:
        self._switch(triggers.CAPTURES, "capturing", on=on, patience=patience)

    def _switch(self, names: tuple[str, ...], flag: str, *, on: bool, patience: float) -> None:
        link = self._link
        what = "the fence" if names is triggers.FENCES else "capture"
        with spoken():
            statement = sql.SQL("; ").join(self._switched(names, on=on))
            alter(self._connection, [statement], tables=link.tables, patience=patience, what=what)
            self._connection.execute(
                sql.SQL("UPDATE strangler_owner SET {} = %s WHERE capability = %s").format(
                    sql.Identifier(flag)
                ),
                [on, self._link.capability],
            )

    def _switched(self, names: tuple[str, ...], *, on: bool) -> Iterator[sql.Composed]:
        """The triggers as they were installed: whether that was for this schema, gates ask."""
        link = self._link
        marks = link.marks() or Marks("")
        for table in link.tables:
            there = states(link, table)
            for name in names:
                if name not in there:
                    raise Unfit([f"the trigger {name} of {table} is gone: install again"])
                yield triggers.switched(
                    table, name, link.capability, marks.mover, there[name].mark, on=on
                )

    def enqueue(self, table: str, keys: Sequence[Key]) -> None:
        if not keys:
            return
        known = self._link.known(table)
        source, parameters = known.keys(list(keys))
        with spoken():
            self._connection.execute(
                sql.SQL(
                    "INSERT INTO strangler_journal (capability, tbl, key, writer, door)"
                    " SELECT %s, %s, {}, 'mover', true FROM {}"
                ).format(known.key_text("k"), source),
                [self._link.capability, table, *parameters],
            )

    def enqueue_chunk(self, table: str, after: Key | None, limit: int) -> Key | None:
        with spoken():
            return spans.enqueue(self._link, table, after, limit)

    def empty_journal(self) -> None:
        with spoken():
            for name in ("strangler_journal", "strangler_span", "strangler_parked"):
                self._connection.execute(
                    sql.SQL("DELETE FROM {} WHERE capability = %s").format(sql.Identifier(name)),
                    [self._link.capability],
                )

    def number_from(self, table: str, column: str, last: int) -> None:
        sequence = self._link.known(table).table.columns[column].sequence
        with spoken():
            if sequence is None or last <= last_number(self._link, table, column):
                return
            self._connection.execute("SELECT setval(%s::regclass, %s, true)", [sequence, last])

    def number_past_rows(self) -> None:
        for name in self._link.tables:
            for column in self._link.known(name).table.columns.values():
                if column.sequence is None:
                    continue
                query = sql.SQL("SELECT coalesce(max({}), 0) FROM {}").format(
                    sql.Identifier(column.name), self._link.known(name).name
                )
                with spoken():
                    found = self._connection.execute(query).fetchone()
                self.number_from(name, column.name, found[0] if found else 0)

    def park(self, parked: Sequence[Parked]) -> None:
        with spoken():
            for table in {one.table for one in parked}:
                spans.spread(self._link, table)
            for one in parked:
                (text,) = key_texts(self._link, one.table, [one.key])
                key = [self._link.capability, one.table, text]
                self._connection.execute(
                    "INSERT INTO strangler_parked (capability, tbl, key, reason, at)"
                    " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (capability, tbl, key)"
                    " DO UPDATE SET reason = EXCLUDED.reason, since = clock_timestamp()",
                    [*key, one.reason, one.at],
                )
                # What somebody has claimed is theirs: it goes when their claim is settled.
                self._connection.execute(
                    "DELETE FROM strangler_journal WHERE capability = %s AND id IN (SELECT id"
                    " FROM strangler_journal WHERE capability = %s AND tbl = %s AND key = %s"
                    " FOR UPDATE SKIP LOCKED)",
                    [self._link.capability, *key],
                )

    def unpark(self, table: str | None = None) -> int:
        with spoken():
            return self._connection.execute(
                "WITH gone AS (DELETE FROM strangler_parked WHERE capability = %s"
                " AND tbl = coalesce(%s, tbl) RETURNING capability, tbl, key)"
                " INSERT INTO strangler_journal (capability, tbl, key, writer, door)"
                " SELECT capability, tbl, key, 'mover', true FROM gone",
                [self._link.capability, table],
            ).rowcount
