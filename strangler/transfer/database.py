"""What a database is to the mover: a capability's tables, their journal, fence and owner.

The two kinds, ``postgres`` and ``sqlite``, are siblings behind this seam; everything that decides
(``apply``, ``backfill``, ``verify``, ``switch``, ``repair``) is written once, against it.

These tables of the kit stand beside the capability's, in either database:

- ``strangler_owner``: one owner row per capability, which whoever changes anything locks first;
- ``strangler_journal``: the dirty keys that the capture triggers write;
- ``strangler_span``, on PostgreSQL: parts of tables that a backfill calls dirty as a whole;
- ``strangler_parked``: the keys that could not be applied, and why;
- ``strangler_heartbeat``: the canary row, which is captured and applied like any other;
- ``strangler_applied``: on the target, the number of the last batch that was applied;
- ``strangler_asked``: on the target, who wants to know whether all has come (see ``answering``);
- ``strangler_rehearsal``: whoever writes a row into it can never commit (see ``rehearsing``);
- ``strangler_rehearsed``: what such a transaction has written, on PostgreSQL;
- ``strangler_delivered``: on the source, what was delivered of the commands that are rehearsed;
- ``strangler_origin``, on SQLite: whether the mover writes now, so that nothing is captured;
- ``strangler_nowhere``, on SQLite: see ``sqlite.triggers``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from strangler.ladder import Arm
from strangler.transfer.mapping import Key, Row, Target
from strangler.transfer.tables import Table

HEARTBEAT = "strangler_heartbeat"
"""The canary row's table: ``capability`` (its key), ``beat`` (int) and ``at`` (aware datetime)."""
INSTALLING = 30.0
"""Seconds that an installation waits for whoever is writing."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner row. ``frozen`` while a switch has closed this side and has not yet ended."""

    owner: Arm
    epoch: int
    token: int
    frozen: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One dirty key. ``writer`` names who wrote, as far as is known; ``door`` says by the door."""

    id: int
    table: str
    key: Key
    at: datetime
    writer: str = ""
    door: bool = False


@dataclass(frozen=True, slots=True)
class Delivered:
    """What was delivered of a command that is rehearsed; ``said`` is a ``Delivery``, as JSON."""

    rehearsal: str
    said: str


@dataclass(frozen=True, slots=True)
class Parked:
    """A key that could not be applied."""

    table: str
    key: Key
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Digest:
    """Many rows in one word. The same for two runs of rows only if they are the same."""

    rows: int
    said: str
    last: Key | None
    """The key of the last of them."""


@dataclass(slots=True)
class Change:
    """What one batch does to one table of the target."""

    columns: tuple[str, ...]
    """The key's columns are among them."""
    rows: list[tuple[object, ...]] = field(default_factory=list)
    """To insert, or to update where the key is there: values in the order of ``columns``."""
    gone: list[Key] = field(default_factory=list)
    """To delete, if they are there."""
    born: Mapping[str, object] = field(default_factory=dict)
    """More columns, for rows that are inserted and not for those that are updated."""


class Step(ABC):
    """One transaction which has locked the owner row, and found our token and epoch in it."""

    owner: Owner

    @abstractmethod
    def record(self, *, owner: Arm, epoch: int, frozen: bool) -> None:
        """Write the owner row."""

    @abstractmethod
    def fence(self, *, up: bool, patience: float) -> None:
        """Refuse writes to the capability's tables from now on, or let them through again.

        The mover's own pass. Waits for whoever is writing.

        Raises:
            LockTimeout: they have not finished within ``patience`` seconds.
        """

    @abstractmethod
    def capture(self, *, on: bool, patience: float) -> None:
        """Write dirty keys to the journal from now on, or no longer.

        Raises:
            LockTimeout: as for ``fence``.
        """

    @abstractmethod
    def enqueue(self, table: str, keys: Sequence[Key]) -> None:
        """Call these keys dirty."""

    @abstractmethod
    def enqueue_chunk(self, table: str, after: Key | None, limit: int) -> Key | None:
        """Call the next ``limit`` keys after ``after`` dirty, in the key's order; bytes decide.

        Returns the last of them, or None where there are no more.
        """

    @abstractmethod
    def empty_journal(self) -> None:
        """Forget every dirty and every parked key of the capability."""

    @abstractmethod
    def number_from(self, table: str, column: str, last: int) -> None:
        """Let what numbers this column give no number up to ``last`` any more; never goes back."""

    @abstractmethod
    def number_past_rows(self) -> None:
        """Let what numbers a column give no number any more that a row has, nor one below it."""

    @abstractmethod
    def park(self, parked: Sequence[Parked]) -> None:
        """Take these keys out of the journal, and remember why."""

    @abstractmethod
    def unpark(self, table: str | None = None) -> int:
        """Call parked keys dirty again, and say how many that were."""


class Claim(ABC):
    """Dirty keys that nobody else works on. Leaving without an exception forgets them for good."""

    entries: Sequence[Entry]
    delivered: list[Delivered]
    """To be written down in the transaction that forgets the keys."""

    def highest(self) -> int:
        """The highest number among them; 0 for none."""
        return max((entry.id for entry in self.entries), default=0)

    def sizes(self) -> Mapping[str, int]:
        """How many there are, by table."""
        return Counter(entry.table for entry in self.entries)

    def besides(self, tables: Collection[str]) -> Sequence[Entry]:
        """Those of other tables."""
        return [entry for entry in self.entries if entry.table not in tables]

    def census(self) -> Mapping[tuple[str, str, bool], int]:
        """How many there are, by table, writer, and whether by the door."""
        return Counter((entry.table, entry.writer, entry.door) for entry in self.entries)


class Pourer(ABC):
    """Carries the rows of one map up, many at once, without a look at what is only copied."""

    @abstractmethod
    def pour(self, claim: Claim, *, token: int, epoch: int) -> None:
        """Carry all that is claimed of the map's source, in one transaction like ``applying``'s.

        Raises:
            Superseded: another mover has taken over.
            Unwritable, Unmappable: nothing was carried, and it takes a look at each row.
        """


class Writer(ABC):
    """A transaction on the target which has locked the owner row for sharing, and then the keys."""

    @abstractmethod
    def write(self, table: str, change: Change) -> None:
        """Insert, update and delete: unique values may move between the rows of one change.

        Raises:
            UniqueTaken: a unique value is held by a row that is not among these.
            Unwritable: a row is refused for what it is.
        """

    @abstractmethod
    def referring(self, table: str, keys: Collection[Key]) -> dict[str, set[Key]]:
        """The keys of rows, by table, which refer to these rows; also their own children's."""

    @abstractmethod
    def taken(self, table: str, change: Change) -> set[Key]:
        """The keys of other rows that hold a unique value of the rows of this change."""


class Session(ABC):
    """One connection to one side's database. Not shared between threads."""

    numbers_past_rows: ClassVar[bool]
    """What numbers a column goes past the numbers of rows that are written with their own."""

    @abstractmethod
    def close(self) -> None:
        """Give it up; an open transaction is undone, a held door opens."""

    # The schema

    @abstractmethod
    def inspect(self, table: str) -> Table:
        """A table as it is now.

        Raises:
            Unfit: there is none of this name, or of the kind that can be transferred.
        """

    @abstractmethod
    def install(self, *, owner: Arm, epoch: int, patience: float = INSTALLING) -> None:
        """Make the kit's tables, and triggers on the capability's, or what is missing of them.

        New triggers neither capture nor fence until a step says so; those that are there keep doing
        what they do. A new owner row says what is given here.

        Raises:
            Unfit: it is not allowed to, or a table can't have them; the message says what to grant.
            LockTimeout: somebody has not let go of a table within ``patience`` seconds.
        """

    @abstractmethod
    def missing(self) -> list[str]:
        """What should be there according to the owner row, and is not: triggers, mostly."""

    @abstractmethod
    def remove(self) -> None:
        """Take the capability's triggers, journal entries and owner row away; its rows stay."""

    @abstractmethod
    def set_aside(self) -> list[str]:
        """Rename the capability's tables, which stay fenced, to ``retired_<name>``; says to what.

        Those that are set aside already stay so.

        Raises:
            LockTimeout: somebody is reading or writing them for too long.
        """

    # The owner row

    @abstractmethod
    def owner(self) -> Owner | None:
        """The owner row as it is committed now; None where nothing is installed."""

    @abstractmethod
    def seize(self, token: int) -> Owner:
        """Let ``token`` be the only one that counts here; waits for whoever has the row locked.

        Raises:
            Superseded: a later one has been here.
        """

    @abstractmethod
    def step(self, *, token: int, epoch: int) -> AbstractContextManager[Step]:
        """A transaction on this side.

        Raises:
            Superseded: token or epoch are others by now; nothing is done.
        """

    # The journal

    @abstractmethod
    def pending(self) -> int:
        """How many dirty keys there are, claimed by somebody or not."""

    @abstractmethod
    def oldest(self) -> float | None:
        """The age of the oldest dirty key, in seconds, by this database's clock."""

    @abstractmethod
    def claim(self, limit: int) -> AbstractContextManager[Claim]:
        """Some dirty keys, oldest first, that nobody else has claimed; none if there are none."""

    @abstractmethod
    def untold(self) -> Mapping[str, int]:
        """How many events of the capability are still to be told, by what they wait for."""

    @abstractmethod
    def position(self) -> int:
        """The highest number that the journal has given so far; whatever is committed has less."""

    @abstractmethod
    def carried(self, position: int) -> bool:
        """Is nothing of the capability left in the journal up to there?"""

    @abstractmethod
    def asked(self) -> int:
        """The last question of who waits here for what the other side has; 0 for none."""

    @abstractmethod
    def answer(self, number: int, *, token: int, epoch: int) -> None:
        """Whatever was committed on the other side when this was asked is here by now.

        Nothing, if another mover has taken over. One statement: whoever asks waits for nobody who
        was stopped between two.
        """

    @property
    @abstractmethod
    def applied(self) -> int:
        """The number of the last batch that this session has applied here; 0 for none yet."""

    @abstractmethod
    def dirty(self, table: str, keys: Collection[Key]) -> set[Key]:
        """Which of these keys are dirty or parked."""

    @abstractmethod
    def parked(self, limit: int = 100) -> list[Parked]:
        """What could not be applied, oldest first."""

    @abstractmethod
    def count_parked(self) -> int:
        """How many keys that are."""

    @abstractmethod
    def beat(self, number: int) -> None:
        """Touch the canary row, so that it is captured."""

    @abstractmethod
    def heard(self) -> tuple[int, float] | None:
        """The canary row as it is here: its number, and its age in seconds."""

    # Rows

    @abstractmethod
    def read(self, table: Table, columns: Sequence[str], keys: Collection[Key]) -> dict[Key, Row]:
        """These rows as they are committed now; what is not there is left out."""

    @abstractmethod
    def chunk(
        self, table: Table, columns: Sequence[str], after: Key | None, limit: int,
        until: Key | None = None,
    ) -> list[tuple[Key, Row]]:  # fmt: skip
        """The next rows in the key's order (text as bytes), up to and with ``until``."""

    def digest(
        self,
        table: Table,  # noqa: ARG002 - for those who can
        columns: Sequence[str],  # noqa: ARG002
        after: Key | None,  # noqa: ARG002
        *,
        until: Key | None = None,  # noqa: ARG002
        limit: int | None = None,  # noqa: ARG002
    ) -> Digest | None:
        """One word for the next rows in the key's order; None where it has to be read row by row.

        Two databases of one kind say the same of the same rows, whatever their columns' names.
        """
        return None

    @abstractmethod
    def count(self, table: Table) -> int:
        """How many rows there are; on PostgreSQL, about."""

    @abstractmethod
    def last_number(self, table: str, column: str) -> int:
        """The last number that was given for this column, 0 for none."""

    @abstractmethod
    def applying(
        self, *, token: int, epoch: int, keys: Iterable[tuple[str, Key]]
    ) -> AbstractContextManager[Writer]:
        """A transaction on the target, in which these keys (by their map's source) are ours alone.

        Locks the owner row for sharing, checks token and epoch, then the keys, in order. Commits at
        the end.

        Raises:
            Superseded: another mover has taken over.
            ReferenceMissing: at the end, a foreign key leads nowhere.
        """

    def pourer(
        self,
        target: Session,  # noqa: ARG002 - for those who can
        table: Table,  # noqa: ARG002
        to: Sequence[tuple[Target, Table]],  # noqa: ARG002
    ) -> Pourer | None:
        """What pours a table of this side into these of ``target``; None where nothing can."""
        return None

    # The door

    @abstractmethod
    def close_door(self, *, patience: float) -> None:
        """Keep commands out, and wait for those that are inside.

        Raises:
            LockTimeout: one has not left within ``patience`` seconds; the door is open again.
        """

    @abstractmethod
    def open_door(self) -> None:
        """Let commands in again."""

    @abstractmethod
    def evict(self) -> None:
        """Open a door that a mover before us has closed and can't open any more."""

    # Before a switch

    @abstractmethod
    def hinders(self) -> list[str]:
        """What would make a fence wait, in words: vacuums, idle transactions that hold a table."""

    @abstractmethod
    def quieten(self, *, on: bool) -> None:
        """Keep autovacuum off the capability's tables, or let it in again."""


class Database(ABC):
    """Where one side of a capability is; gives sessions. Shared between threads."""

    capability: str
    arm: Arm
    tables: tuple[str, ...]

    @abstractmethod
    def session(self) -> Session:
        """A connection of its own.

        Raises:
            DatabaseAway: it can't be reached.
        """
