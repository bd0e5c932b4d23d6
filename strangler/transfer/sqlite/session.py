"""The mover's connection to a SQLite file."""

# ruff: noqa: S608 - names are quoted, and values are bound

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from strangler.ladder import Arm
from strangler.transfer import untold
from strangler.transfer.database import (
    HEARTBEAT,
    INSTALLING,
    Claim,
    Delivered,
    Entry,
    Owner,
    Parked,
    Session,
    Step,
    Writer,
)
from strangler.transfer.errors import LockTimeout, ReferenceMissing, Superseded, Unfit
from strangler.transfer.mapping import Key, Row
from strangler.transfer.sqlite import asking, installing, journal, rows
from strangler.transfer.sqlite.link import Link
from strangler.transfer.sqlite.locks import FileLock, holders
from strangler.transfer.sqlite.places import Places
from strangler.transfer.sqlite.stepping import SqliteStep, installed, locked, owner_row
from strangler.transfer.sqlite.tables import Tables
from strangler.transfer.sqlite.values import now
from strangler.transfer.sqlite.writing import SqliteWriter
from strangler.transfer.tables import Table

_PAUSE = 0.002
_APPLIED = (
    "INSERT INTO strangler_applied (capability, number) VALUES (?, 1) "
    "ON CONFLICT (capability) DO UPDATE SET number = number + 1 RETURNING number"
)


@dataclass(slots=True)
class SqliteClaim(Claim):
    """Dirty keys; none while somebody else applies."""

    entries: Sequence[Entry] = ()
    delivered: list[Delivered] = field(default_factory=list)


class SqliteSession(Session):
    """One connection. The file's only writer, inside its transactions."""

    numbers_past_rows = True

    def __init__(self, link: Link, *, capability: str, arm: Arm, tables: Sequence[str]) -> None:
        self._link = link
        self._capability = capability
        self._tables = Tables(link, capability, arm, tables)
        self._places = Places(link.path, capability)
        self._gate: FileLock | None = None
        self._token: int | None = None
        self._applied = 0

    def close(self) -> None:
        """Give it up."""
        self.open_door()
        self._link.close()

    def inspect(self, table: str) -> Table:
        """A table as it is now."""
        return self._tables.get(table).table

    def install(
        self,
        *,
        owner: Arm,
        epoch: int,
        patience: float = INSTALLING,  # noqa: ARG002 - one writes at a time
    ) -> None:
        """Make the kit's tables and triggers, or what is missing of them."""
        installing.install(self._link, self._tables, owner=owner, epoch=epoch)

    def missing(self) -> list[str]:
        """The triggers that are not there, or not as they should be."""
        return installing.missing(self._link, self._tables)

    def remove(self) -> None:
        """Take the triggers, the journal's entries and the owner row away."""
        self.open_door()
        installing.remove(self._link, self._tables)
        self._places.clear()

    def set_aside(self) -> list[str]:
        """Rename the capability's tables, which stay fenced."""
        return installing.set_aside(self._link, self._tables)

    def owner(self) -> Owner | None:
        """The owner row."""
        return owner_row(self._link, self._capability)

    def seize(self, token: int) -> Owner:
        """Let ``token`` be the only one that counts here."""
        with self._link.writing():
            found = installed(self._link, self._capability)
            if found.token > token:
                raise Superseded(
                    f"{self._link.path}: {self._capability} has token {found.token} by now, "
                    f"and not {token}"
                )
            self._link.run(
                "UPDATE strangler_owner SET token = ? WHERE capability = ?",
                (token, self._capability),
            )
        self._token = token
        self._places.clear(before=token)
        return Owner(found.owner, found.epoch, token, found.frozen)

    @contextmanager
    def step(self, *, token: int, epoch: int) -> Iterator[Step]:
        """A transaction on this side."""
        self._token = token
        with self._link.writing():
            found = locked(self._link, self._capability, token=token, epoch=epoch)
            yield SqliteStep(self._link, self._tables, found)

    def pending(self) -> int:
        """How many dirty keys there are."""
        return journal.pending(self._link, self._capability)

    def oldest(self) -> float | None:
        """The age of the oldest dirty key."""
        return journal.oldest(self._link, self._capability)

    def untold(self) -> dict[str, int]:
        """How many events are still to be told, by what they wait for."""
        return untold.untold(self._told)

    def _told(self, query: str) -> list[Any] | None:
        try:
            return self._link.rows(query, [self._capability] * query.count("?"))
        except Unfit:  # there is no such table
            return None

    @contextmanager
    def claim(self, limit: int) -> Iterator[Claim]:
        """Some dirty keys; one at a time claims, the others get none meanwhile.

        No transaction stays open: the rows are to be read as they are afterwards.
        """
        token = installed(self._link, self._capability).token
        with FileLock(self._places.claim(token)) as lock:
            if not lock.try_alone():
                yield SqliteClaim()
                return
            entries = journal.oldest_entries(self._link, self._tables, limit)
            claimed = SqliteClaim(entries)
            yield claimed
            if entries:
                with self._link.writing(durable=False):  # what is carried twice does no harm
                    journal.forget(self._link, self._tables, entries)
                    journal.deliver(self._link, self._capability, claimed.delivered)

    def position(self) -> int:
        """The highest number that the journal has given so far."""
        return journal.position(self._link)

    def carried(self, position: int) -> bool:
        """Is nothing of the capability left in the journal up to there?"""
        return journal.applied(self._link, self._capability, position)

    def asked(self) -> int:
        """The last question of who waits here."""
        return asking.asked(self._link, self._capability)

    def answer(self, number: int, *, token: int, epoch: int) -> None:
        """Whatever was committed on the other side when this was asked is here by now."""
        asking.answer(self._link, self._capability, number, token=token, epoch=epoch)

    @property
    def applied(self) -> int:
        """The number of the last batch that this session has applied here."""
        return self._applied

    def dirty(self, table: str, keys: Collection[Key]) -> set[Key]:
        """Which of these keys are dirty or parked."""
        return journal.dirty(self._link, self._tables, table, keys)

    def parked(self, limit: int = 100) -> list[Parked]:
        """What could not be applied."""
        return journal.parked(self._link, self._tables, limit)

    def count_parked(self) -> int:
        """How many keys that are."""
        return journal.count_parked(self._link, self._capability)

    def beat(self, number: int) -> None:
        """Touch the canary row."""
        self._link.run(
            f"INSERT INTO {HEARTBEAT} (capability, beat, at) VALUES (?, ?, ?) "
            "ON CONFLICT (capability) DO UPDATE SET beat = excluded.beat, at = excluded.at",
            (self._capability, number, now()),
        )

    def heard(self) -> tuple[int, float] | None:
        """The canary row's number and age."""
        found = self._link.one(
            f"SELECT beat, at FROM {HEARTBEAT} WHERE capability = ?", (self._capability,)
        )
        return None if found is None else (found[0], journal.age(found[1]))

    def read(self, table: Table, columns: Sequence[str], keys: Collection[Key]) -> dict[Key, Row]:
        """These rows as they are now."""
        described = self._tables.get(table.name)
        return rows.read(self._link, self._tables, described, columns, keys)

    def chunk(
        self, table: Table, columns: Sequence[str], after: Key | None, limit: int,
        until: Key | None = None,
    ) -> list[tuple[Key, Row]]:  # fmt: skip
        """The next rows in the key's order."""
        described = self._tables.get(table.name)
        return rows.chunk(
            self._link, self._tables, described, columns, after, limit=limit, until=until
        )

    def count(self, table: Table) -> int:
        """How many rows there are."""
        return rows.count(self._link, table)

    def last_number(self, table: str, column: str) -> int:
        """The last number that was given for this column."""
        return rows.last_number(self._link, self._tables.get(table), column)

    @contextmanager
    def applying(
        self, *, token: int, epoch: int, keys: Iterable[tuple[str, Key]]  # noqa: ARG002 - all are ours
    ) -> Iterator[Writer]:  # fmt: skip
        """A transaction on the target: nobody else writes the file, so any key is ours."""
        self._token = token
        with self._link.writing():
            locked(self._link, self._capability, token=token, epoch=epoch)
            self._link.run("PRAGMA defer_foreign_keys = ON")
            self._link.run("UPDATE strangler_origin SET writing = 1")
            yield SqliteWriter(self._link, self._tables)
            self._link.run("UPDATE strangler_origin SET writing = 0")
            (number,) = self._link.one(_APPLIED, (self._capability,))
            self._commit()
        self._applied = number

    def close_door(self, *, patience: float) -> None:
        """Keep commands out, and wait for those that are inside."""
        until = time.monotonic() + patience
        self.open_door()
        token = self._token
        if token is None:
            token = installed(self._link, self._capability).token
        self._gate = FileLock(self._places.gate(token))
        with FileLock(self._places.hold) as hold:
            while not self._gate.try_alone():
                self._wait(until, "is at the gate")
            while not hold.free():
                self._wait(until, "has not left")

    def open_door(self) -> None:
        """Let commands in again."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.close()

    def evict(self) -> None:
        """Nothing: a gate that a mover before us keeps closed is of a token that counts no more."""

    def hinders(self) -> list[str]:
        """Nothing: a fence waits for one writer, and it for nobody."""
        return []

    def quieten(self, *, on: bool) -> None:
        """Nothing: there is no autovacuum."""

    def _commit(self) -> None:
        try:
            self._link.run("COMMIT")
        except ReferenceMissing as error:
            raise installing.named(self._link, self._tables) or error from error

    def _wait(self, until: float, what: str) -> None:
        if time.monotonic() > until:
            self.open_door()
            there = ", ".join(map(str, holders(self._places.hold)))
            who = f" (process {there})" if there else ""
            raise LockTimeout(f"{self._capability}'s door: somebody {what} in time{who}")
        time.sleep(_PAUSE)
