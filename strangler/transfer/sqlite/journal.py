"""The journal of dirty keys in a SQLite file."""

# ruff: noqa: S608 - names are quoted, and values are bound

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from strangler.transfer.database import Delivered, Entry, Parked
from strangler.transfer.mapping import Key
from strangler.transfer.sqlite.link import Link
from strangler.transfer.sqlite.tables import Tables
from strangler.transfer.sqlite.values import moment, now

MOVER = "mover"
"""Whose name the keys have that the mover itself calls dirty; they need no door."""

_AT_ONCE = 5000
_KEPT = timedelta(minutes=1)


def enqueue(link: Link, capability: str, table: str, texts: Iterable[str]) -> None:
    """Call keys dirty."""
    at = now()
    link.run_many(
        "INSERT INTO strangler_journal (capability, tbl, key, at, writer, door) "
        "VALUES (?, ?, ?, ?, ?, 1)",
        [(capability, table, text, at, MOVER) for text in texts],
    )


def oldest_entries(link: Link, tables: Tables, limit: int) -> list[Entry]:
    """Some dirty keys, oldest first."""
    found = link.rows(
        "SELECT id, tbl, key, at, writer, door FROM strangler_journal WHERE capability = ? "
        "ORDER BY id LIMIT ?",
        (tables.capability, limit),
    )
    return [
        Entry(number, table, tables.key_of(table, key), moment(at), writer, bool(door))
        for number, table, key, at, writer, door in found
    ]


def forget(link: Link, tables: Tables, entries: Sequence[Entry]) -> None:
    """Take these entries out: by their numbers, so that a younger one of the same key stays.

    A key that was parked before is so no more.
    """
    link.run_many("DELETE FROM strangler_journal WHERE id = ?", [(one.id,) for one in entries])
    if count_parked(link, tables.capability):
        link.run_many(
            "DELETE FROM strangler_parked WHERE capability = ? AND tbl = ? AND key = ?",
            [(tables.capability, e.table, tables.key_text(e.table, e.key)) for e in entries],
        )


def pending(link: Link, capability: str) -> int:
    """How many entries there are."""
    return int(
        link.one("SELECT count(*) FROM strangler_journal WHERE capability = ?", (capability,))[0]
    )


def oldest(link: Link, capability: str) -> float | None:
    """The age of the oldest entry, in seconds."""
    found = link.one(
        "SELECT at FROM strangler_journal WHERE capability = ? ORDER BY id LIMIT 1", (capability,)
    )
    return None if found is None else age(found[0])


def position(link: Link) -> int:
    """The highest number that an entry was given so far, 0 for none."""
    if not _is_there(link):
        return 0
    found = link.one("SELECT seq FROM sqlite_sequence WHERE name = 'strangler_journal'")
    return int(found[0]) if found else 0


def applied(link: Link, capability: str, position: int) -> bool:
    """Is no entry left up to this number?"""
    left = "SELECT 1 FROM strangler_journal WHERE capability = ? AND id <= ? LIMIT 1"
    return not _is_there(link) or link.one(left, (capability, position)) is None


def deliver(link: Link, capability: str, delivered: Sequence[Delivered]) -> None:
    """Write down what was delivered of rehearsed commands; what nobody has asked for goes."""
    if delivered:
        at = now()
        link.run(
            "DELETE FROM strangler_delivered WHERE at < ?",
            ((datetime.now(UTC) - _KEPT).strftime("%Y-%m-%d %H:%M:%S.%f"),),
        )
        link.run_many(
            "INSERT INTO strangler_delivered (capability, rehearsal, said, at) VALUES (?, ?, ?, ?)",
            [(capability, one.rehearsal, one.said, at) for one in delivered],
        )


def delivered(link: Link, rehearsal: str) -> list[str]:
    """What has been said of this rehearsal's command."""
    if link.one("SELECT 1 FROM sqlite_master WHERE name = 'strangler_delivered'") is None:
        return []
    found = link.rows(
        "SELECT said FROM strangler_delivered WHERE rehearsal = ? ORDER BY id", (rehearsal,)
    )
    return [said for (said,) in found]


def _is_there(link: Link) -> bool:
    return link.one("SELECT 1 FROM sqlite_master WHERE name = 'strangler_journal'") is not None


def age(at: str) -> float:
    """How long ago that was, in seconds."""
    return max(0.0, (datetime.now(UTC) - moment(at)).total_seconds())


def dirty(link: Link, tables: Tables, table: str, keys: Collection[Key]) -> set[Key]:
    """Which of these keys are dirty or parked."""
    by_text = tables.key_texts(table, keys)
    found: set[Key] = set()
    for texts in _slices(list(by_text)):
        for name in ("strangler_journal", "strangler_parked"):
            there = link.rows(
                f"SELECT DISTINCT key FROM {name} WHERE capability = ? AND tbl = ? "
                "AND key IN (SELECT value FROM json_each(?))",
                (tables.capability, table, json.dumps(texts)),
            )
            found |= {by_text[text] for (text,) in there}
    return found


def parked(link: Link, tables: Tables, limit: int) -> list[Parked]:
    """What is parked, oldest first."""
    found = link.rows(
        "SELECT tbl, key, reason, at FROM strangler_parked WHERE capability = ? "
        "ORDER BY at, rowid LIMIT ?",
        (tables.capability, limit),
    )
    return [
        Parked(table, tables.key_of(table, key), reason, moment(at))
        for table, key, reason, at in found
    ]


def count_parked(link: Link, capability: str) -> int:
    """How many keys are parked."""
    return int(
        link.one("SELECT count(*) FROM strangler_parked WHERE capability = ?", (capability,))[0]
    )


def park(link: Link, tables: Tables, given: Sequence[Parked]) -> None:
    """Take keys out of the journal, and remember why."""
    named = [(tables.capability, one.table, tables.key_text(one.table, one.key)) for one in given]
    for table in dict.fromkeys(one.table for one in given):
        texts = [text for _, name, text in named if name == table]
        link.run(
            "DELETE FROM strangler_journal WHERE capability = ? AND tbl = ? "
            "AND key IN (SELECT value FROM json_each(?))",
            (tables.capability, table, json.dumps(texts)),
        )
    link.run_many(
        "INSERT OR REPLACE INTO strangler_parked (capability, tbl, key, reason, at) "
        "VALUES (?, ?, ?, ?, ?)",
        [
            (*name, one.reason, one.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"))
            for name, one in zip(named, given, strict=True)
        ],
    )


def unpark(link: Link, capability: str, table: str | None) -> int:
    """Call parked keys dirty again, and say how many that were."""
    found = link.rows(
        "DELETE FROM strangler_parked WHERE capability = ? AND tbl = coalesce(?, tbl) "
        "RETURNING tbl, key",
        (capability, table),
    )
    for name in dict.fromkeys(name for name, _ in found):
        enqueue(link, capability, name, [key for other, key in found if other == name])
    return len(found)


def _slices(texts: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(texts), _AT_ONCE):
        yield texts[start : start + _AT_ONCE]
