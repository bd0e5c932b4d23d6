"""A shop whose catalog may move: its tables in one SQLite file, the service's in another."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from sqlalchemy import create_engine

from extracted.catalog.models import Base
from strangler.django.control_plane import control, state
from strangler.django.models import Transfer
from strangler.django.transfer import verifying
from strangler.django.transfer.lease import Leased
from strangler.django.transfer.places import sides
from strangler.ladder import Stage
from strangler.manifest import Capability
from strangler.transfer import mover
from strangler.transfer.control import Report
from strangler.transfer.mover import Mover
from tests.strangler.django.plane import Plane

ANN = "ann@shop"


@dataclass
class Rows:
    """Both databases of the catalog, and an application beside either."""

    kit: Plane
    root: Path

    @property
    def capability(self) -> Capability:
        return state.capability("catalog")

    @property
    def row(self) -> Transfer:
        return Transfer.objects.get(pk="catalog")

    @property
    def stage(self) -> Stage:
        return state.read("catalog").standing.stage

    def monolith(self, sql: str, *values: object) -> list[Any]:
        return _run(self.root / "monolith.sqlite3", sql, *values)

    def service(self, sql: str, *values: object) -> list[Any]:
        return _run(self.root / "service.sqlite3", sql, *values)

    def add(self, sku: str) -> None:
        """A product, as the monolith would write it."""
        self.monolith(f"INSERT INTO catalog_product ({_COLUMNS}) {_VALUES}", sku)

    def carry(self, *, beats: int = 6) -> None:
        """Be the mover until every row is there, and the lag is known."""
        stop = threading.Event()

        class Once(Leased):
            def report(self, report: Report) -> None:
                super().report(report)
                if self.backfilled() and report.beats >= beats:
                    patch.setattr(mover, "BEAT", 60.0)  # the one on its way is a dirty key too
                    if not report.pending:
                        stop.set()

        there = sides(self.capability)
        lease = Once("catalog")
        with pytest.MonkeyPatch.context() as patch:
            for pace in ("BEAT", "EVERY", "IDLE"):
                patch.setattr(mover, pace, 0.0)
            Mover(
                "catalog",
                there.maps,
                monolith=there.monolith,
                service=there.service,
                control=lease,
                installed=lease.installed,
            ).run(stop)

    def climb(self, to: Stage) -> None:
        """To this rung, with what its gates want, by force where that is evidence."""
        for stage in (Stage.REPLICATING, Stage.SHADOW, Stage.CANARY, Stage.LIVE):
            control.advance("catalog", to=stage, actor=ANN, force=True, reason="a test")
            self.carry()
            verifying.verify(self.capability)
            if stage is to:
                return

    def drop_fence(self, table: str) -> None:
        """Let anybody write to this table of the service."""
        triggers = self.service(
            f"SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = '{table}'"  # noqa: S608 - our own
        )
        for (name,) in triggers:
            self.service(f'DROP TRIGGER "{name}"')

    @contextmanager
    def service_away(self) -> Iterator[None]:
        """Nobody can reach the service's database for the block."""
        path = self.root / "service.sqlite3"
        away = [(one, one.with_name(f"away-{one.name}")) for one in self.root.glob(f"{path.name}*")]
        for one, other in away:
            one.rename(other)
        try:
            yield
        finally:
            for one, other in away:
                if one.is_dir():
                    shutil.rmtree(one)
                other.rename(one)


_COLUMNS = (
    "sku, name, description, attributes, amount, currency, active, created_at, updated_at, search, "
    "category_id"
)
_VALUES = (
    "VALUES (?, 'Spade', 'For digging.', '{}', 19.9, 'EUR', 1, '2026-02-03 04:05:06', "
    "'2026-02-03 04:05:06', 'spade', 1)"
)


@contextmanager
def rows(kit: Plane, root: Path, environment: pytest.MonkeyPatch) -> Iterator[Rows]:
    """Both databases, with a category and two products in the monolith's."""
    made = Rows(kit, root)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name LIKE 'catalog\\_%' ESCAPE '\\' "
            "AND sql IS NOT NULL ORDER BY type DESC"
        )
        schema = [sql for (sql,) in cursor.fetchall()]
    for sql in schema:
        made.monolith(sql)
    made.monolith("INSERT INTO catalog_category VALUES (1, 'garden', 'Garden', 'garden', NULL)")
    made.add("A-1")
    made.add("A-2")
    engine = create_engine(f"sqlite:///{root / 'service.sqlite3'}")
    Base.metadata.create_all(engine)
    engine.dispose()
    environment.setenv("STRANGLER_MOVER_DATABASE", f"sqlite:///{root / 'monolith.sqlite3'}")
    environment.setenv("STRANGLER_CATALOG_DATABASE", f"sqlite:///{root / 'service.sqlite3'}")
    kit.catalog = 'transfer = "extracted.catalog.transfer:tables"'
    kit.write()
    yield made


def _run(path: Path, sql: str, *values: object) -> list[Any]:
    application = sqlite3.connect(path, isolation_level=None, timeout=5)
    try:
        application.execute("PRAGMA foreign_keys = ON")
        return application.execute(sql, values).fetchall()
    finally:
        application.close()
