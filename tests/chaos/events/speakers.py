"""Who speaks: processes that see stars, and say so in the transaction that counts them."""

from __future__ import annotations

import random
import sqlite3
import time
from collections import Counter
from contextlib import closing, suppress
from typing import Any

import psycopg

from strangler.events.outbox import said
from tests.chaos.events.points import Points
from tests.chaos.events.world import World
from tests.strangler.events.sample import StarSeen
from tests.strangler.events.speaking import Speaker

EACH = 10
"""Events of one transaction."""
REGRETTED = 0.1
"""The part of the transactions that are undone at their end."""


def star(number: int) -> str:
    """The name of a star."""
    return f"HD {number}"


def prepare(world: World) -> None:
    """Make the tables; no star has been seen."""
    speaker = Speaker(world.speaks)
    with closing(speaker.connection()) as connection:
        connection.execute("CREATE TABLE star (name text PRIMARY KEY, number bigint NOT NULL)")
        mark = "%s" if world.postgres else "?"
        for number in range(world.keys):
            connection.execute(f"INSERT INTO star VALUES ({mark}, 0)", [star(number)])  # noqa: S608 - a mark


def speak(world: World, seed: int, fatal: tuple[str, int] | None = None) -> None:
    """Until there are as many as wanted."""
    points, pick = Points(world, "speaker", fatal), random.Random(seed)
    speaker = Speaker.__new__(Speaker)
    speaker.url, speaker.postgres = world.speaks, world.postgres
    while not world.ending.exists():
        try:
            with closing(speaker.connection()) as connection:
                while _total(connection) < world.total:
                    for _ in range(20):
                        _transaction(world, speaker, connection, pick, points)
                        time.sleep(world.pace * pick.uniform(0.5, 1.5))
                    if world.ending.exists():
                        return
                return
        except (psycopg.OperationalError, sqlite3.OperationalError):
            time.sleep(0.1)


def _total(connection: Any) -> int:
    return int(connection.execute("SELECT sum(number) FROM star").fetchone()[0])


def _transaction(
    world: World, speaker: Speaker, connection: Any, pick: random.Random, points: Points
) -> None:
    wanted = Counter(star(pick.randrange(world.keys)) for _ in range(EACH))
    mark = "%s" if world.postgres else "?"
    count = f"UPDATE star SET number = number + {mark} WHERE name = {mark} RETURNING number"  # noqa: S608 - marks
    points("before BEGIN")
    connection.execute("BEGIN" if world.postgres else "BEGIN IMMEDIATE")
    try:
        events = []
        for name in sorted(wanted):  # in one order: nobody waits in a ring
            (last,) = connection.execute(count, [wanted[name], name]).fetchone()
            events += [StarSeen(name, last - later) for later in reversed(range(wanted[name]))]
        points("after counting")
        speaker.outbox(1_000_000).write(
            lambda sql, values: connection.execute(sql, values).fetchall(),
            [said(one) for one in events],
        )
        points("after writing")
        regretted = pick.random() < REGRETTED
        connection.execute("ROLLBACK" if regretted else "COMMIT")
        points("after the end")
    except BaseException:
        with suppress(psycopg.Error, sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
