"""Rows that change owner on PostgreSQL: writers' cost, backfill, verification, freezes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.bench import transfer_backfill, transfer_capture, transfer_freeze, transfer_verify
from tests.bench.harness import Row
from tests.bench.transfer_shop import Sane


def bench(folder: Path) -> Iterator[Row]:
    """All of them on one server."""
    with Sane() as server:
        yield from transfer_capture.bench(server)
        yield from transfer_freeze.bench(server, folder)
        yield from transfer_verify.bench(server)
        yield from transfer_backfill.bench(server, folder)
