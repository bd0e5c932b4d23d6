"""A step: one transaction on a SQLite file, which begins with the owner row."""

# ruff: noqa: S608 - names are quoted, and values are bound

from __future__ import annotations

from collections.abc import Sequence

from strangler.ladder import Arm
from strangler.transfer.database import Owner, Parked, Step
from strangler.transfer.errors import Superseded, Unfit
from strangler.transfer.mapping import Key
from strangler.transfer.sqlite import journal, rows
from strangler.transfer.sqlite.link import Link
from strangler.transfer.sqlite.tables import Tables


def owner_row(link: Link, capability: str) -> Owner | None:
    """The owner row as it is now; None where nothing is installed."""
    if link.one("SELECT 1 FROM sqlite_master WHERE name = 'strangler_owner'") is None:
        return None
    found = link.one(
        "SELECT owner, epoch, token, frozen FROM strangler_owner WHERE capability = ?",
        (capability,),
    )
    return None if found is None else Owner(Arm(found[0]), found[1], found[2], bool(found[3]))


def installed(link: Link, capability: str) -> Owner:
    """The owner row.

    Raises:
        Unfit: there is none.
    """
    found = owner_row(link, capability)
    if found is None:
        raise Unfit([f"{link.path}: transfer of {capability} is not installed"])
    return found


def locked(link: Link, capability: str, *, token: int, epoch: int) -> Owner:
    """The owner row, in a transaction that writes: nobody else changes it meanwhile.

    Raises:
        Superseded: token or epoch are others.
    """
    found = installed(link, capability)
    if (found.token, found.epoch) != (token, epoch):
        raise Superseded(
            f"{link.path}: {capability} has token {found.token} and epoch {found.epoch} by now, "
            f"and not {token} and {epoch}"
        )
    return found


class SqliteStep(Step):
    """Inside a transaction that its session has begun."""

    def __init__(self, link: Link, tables: Tables, owner: Owner) -> None:
        self.owner = owner
        self._link = link
        self._tables = tables
        self._capability = tables.capability

    def record(self, *, owner: Arm, epoch: int, frozen: bool) -> None:
        """Write the owner row."""
        self._set("owner = ?, epoch = ?, frozen = ?", owner.value, epoch, frozen)
        self.owner = Owner(owner, epoch, self.owner.token, frozen)

    def fence(self, *, up: bool, patience: float) -> None:  # noqa: ARG002 - nobody writes beside us
        """Refuse writes from the end of this transaction on, or let them through."""
        self._set("fenced = ?", up)

    def capture(self, *, on: bool, patience: float) -> None:  # noqa: ARG002 - ditto
        """Write dirty keys from the end of this transaction on, or no longer."""
        self._set("captured = ?", on)

    def enqueue(self, table: str, keys: Sequence[Key]) -> None:
        """Call these keys dirty."""
        texts = [self._tables.key_text(table, key) for key in keys]
        journal.enqueue(self._link, self._capability, table, texts)

    def enqueue_chunk(self, table: str, after: Key | None, limit: int) -> Key | None:
        """Call the next keys dirty, in the key's order."""
        described = self._tables.get(table)
        found = rows.chunk(
            self._link, self._tables, described, described.table.key, after, limit=limit
        )
        self.enqueue(table, [key for key, _ in found])
        return found[-1][0] if found else None

    def empty_journal(self) -> None:
        """Forget every dirty and every parked key."""
        for name in ("strangler_journal", "strangler_parked"):
            self._link.run(f"DELETE FROM {name} WHERE capability = ?", (self._capability,))

    def number_from(self, table: str, column: str, last: int) -> None:
        """Let SQLite give no number up to ``last``."""
        rows.number_from(self._link, self._tables.get(table), column, last)

    def number_past_rows(self) -> None:
        """Nothing: SQLite looks at the rows itself."""

    def park(self, parked: Sequence[Parked]) -> None:
        """Take these keys out of the journal, and remember why."""
        journal.park(self._link, self._tables, parked)

    def unpark(self, table: str | None = None) -> int:
        """Call parked keys dirty again."""
        return journal.unpark(self._link, self._capability, table)

    def _set(self, what: str, *values: object) -> None:
        self._link.run(
            f"UPDATE strangler_owner SET {what} WHERE capability = ?", (*values, self._capability)
        )
