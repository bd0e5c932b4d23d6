"""A backfill beside a dump that is restored at once, and the mover's memory whatever it carries.

Both fill tables with all their indexes and foreign keys, as they are when rows keep flowing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql

from tests.bench.harness import ROOT, Pair, Row, at_least, at_most, row
from tests.bench.transfer_shop import SHELVES, Sane, Shop, dumped, shop, twin
from tests.servers import Postgres

ITEMS = 1_000_000
"""Of each round."""
ROUNDS = 3
PATIENCE = 600.0
FEW, MANY = 100_000, 3_000_000
"""Items for which the mover's memory is looked at."""


class Moved(NamedTuple):
    """What carrying a shop took: rows per second, and the mover's peak memory in MB."""

    rate: float
    megabytes: float


def bench(server: Sane, folder: Path) -> Iterator[Row]:
    """Both rows."""
    pairs = []
    for number in range(ROUNDS):
        with shop(server, items=ITEMS) as one:
            turns = [lambda: moved(one, ITEMS, folder).rate, lambda: _dumped(server, one)]
            if number % 2:
                theirs = turns[1]()
                pairs.append(Pair(turns[0](), theirs))
            else:
                pairs.append(Pair(turns[0](), turns[1]()))
    yield row(
        f"backfill of {ITEMS:,} items", pairs,
        peer_name="pg_dump --data-only | psql", unit="rows/s", goal=at_least(0.5),
    )  # fmt: skip
    sizes = []
    for items in (MANY, FEW):
        with shop(server, items=items) as one:
            sizes.append(moved(one, items, folder))
    yield row(
        f"mover's peak memory, {MANY:,} items", [Pair(sizes[0].megabytes, sizes[1].megabytes)],
        peer_name=f"with {FEW:,} items", unit="MB", goal=at_most(1.2),
        note=f"{sizes[0].rate:,.0f} rows/s, and {sizes[1].rate:,.0f}",
    )  # fmt: skip


def moved(one: Shop, items: int, folder: Path) -> Moved:
    """Let a mover carry everything.

    Raises:
        RuntimeError: it failed, or not everything has arrived.
    """
    desk = folder / f"desk-{time.monotonic_ns()}"
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.transfer_mover", one.monolith, one.service, str(desk)],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=PATIENCE,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the mover failed: {done.stderr}")
    said = json.loads(done.stdout.splitlines()[-1])
    if (arrived := count(one.service, "item")) != items:
        raise RuntimeError(f"{arrived} items of {items} have arrived")
    return Moved((items + SHELVES) / said["seconds"], said["megabytes"])


def count(url: str, table: str) -> int:
    """How many rows there are."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        asked = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
        found = connection.execute(asked).fetchone()
    return int(found[0]) if found else 0


def _dumped(server: Postgres, one: Shop) -> float:
    with twin(server) as url:
        began = time.perf_counter()
        dumped(one.monolith, url)
        took = time.perf_counter() - began
        if (arrived := count(url, "shop_item")) != ITEMS:
            raise RuntimeError(f"{arrived} items of {ITEMS} were restored")
    return (ITEMS + SHELVES) / took
