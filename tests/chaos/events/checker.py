"""The checker: holds what was said against what was done about it. Plain SQL; knows no kit."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.chaos.events.world import World


@dataclass
class Found:
    """What a run has come to; all lists are empty where all is well."""

    said: int = 0
    done: dict[str, int] = field(default_factory=dict)
    """Effects of each consumer."""
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What was never said, or whose transaction was undone."""
    parked: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """Rows that should not be there any more, or not in such a number."""

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong, in words."""
        kinds = ("lost", "twice", "order", "wrong", "parked", "left")
        return [f"{kind}: {one}" for kind in kinds for one in getattr(self, kind)]


def rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    """What a database says."""
    if url.startswith("postgresql"):
        with psycopg.connect(url, autocommit=True) as connection:
            return connection.execute(sql.encode()).fetchall()
    path = url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        return connection.execute(sql).fetchall()


def count(url: str, table: str) -> int:
    """How many rows a table has."""
    return int(rows(url, f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - a test's


def said(world: World) -> dict[str, int]:
    """How often each star was seen, by the rows of whoever saw them."""
    return {name: int(number) for name, number in rows(world.speaks, "SELECT * FROM star")}


def settled(world: World) -> bool:
    """Has everything been done that will ever be?"""
    if count(world.speaks, "strangler_outbox"):
        return False
    if not world.postgres and _queued(world):
        return False
    total = sum(said(world).values())
    return all(count(url, "inbox") >= total for url in world.hears.values())


def progress(world: World) -> tuple[int, ...]:
    """Figures that change as long as anything happens."""
    left = [count(world.speaks, "strangler_outbox"), count(world.speaks, "strangler_outbox_parked")]
    if not world.postgres:
        left.append(_queued(world))
    return (*left, *(count(url, "inbox") for url in world.hears.values()))


def _queued(world: World) -> int:
    made = "SELECT count(*) FROM sqlite_master WHERE name = 'strangler_queue'"
    return count(world.speaks, "strangler_queue") if rows(world.speaks, made)[0][0] else 0


def check(world: World) -> Found:
    """Compare, once everybody has come to an end."""
    wanted = said(world)
    found = Found(said=sum(wanted.values()))
    for table in ("strangler_outbox", "strangler_outbox_parked"):
        if number := count(world.speaks, table):
            found.left.append(f"{number} rows in {table}")
    if not world.postgres and (number := _queued(world)):
        found.left.append(f"{number} rows in queues")
    for name, url in world.hears.items():
        _consumer(name, url, wanted, found)
    return found


def _consumer(consumer: str, url: str, wanted: dict[str, int], found: Found) -> None:
    done: defaultdict[str, list[int]] = defaultdict(list)
    for star, number in rows(url, "SELECT name, number FROM effect ORDER BY id"):
        done[star].append(int(number))
    found.done[consumer] = sum(map(len, done.values()))
    for star in sorted(wanted.keys() | done.keys()):
        numbers, last = done[star], wanted.get(star, 0)
        once = set(numbers)
        if gone := set(range(1, last + 1)) - once:
            found.lost.append(f"{consumer}: {star} {sorted(gone)[:5]}, {len(gone)} in all")
        if len(once) < len(numbers):
            found.twice.append(f"{consumer}: {star}, {len(numbers) - len(once)} times")
        if over := sorted(one for one in once if not 1 <= one <= last):
            found.wrong.append(f"{consumer}: {star} {over[:5]}")
        firsts = list(dict.fromkeys(numbers))
        if firsts != sorted(firsts):
            found.order.append(f"{consumer}: {star}")
    reasons = "SELECT key, version, reason FROM parked_event ORDER BY key, version"
    found.parked += [f"{consumer}: {one}" for one in rows(url, reasons)]
    remembered = count(url, "inbox")
    if remembered > found.said:
        found.left.append(f"{consumer}: {remembered} in the inbox, of {found.said}")
