"""The expiry as it runs in production: asked for through a real Redis, done by a real worker."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from monolith.config.celery import app
from strangler.ladder import Arm, Share, Stage
from strangler.routing.publish import point, prepare
from strangler.routing.table import Entry
from strangler.transfer.sqlite import SqliteDatabase

ROOT = Path(__file__).parents[3]
SECONDS = 20
SCENE = """
import uuid

import django

django.setup()

from django.core.management import call_command
from django.utils import timezone

from contracts.inventory import Item
from monolith.inventory.models import Reason, Reservation, Warehouse
from monolith.inventory.service import InventoryService
from monolith.inventory.stocking import adjust
from monolith.inventory.tasks import expire_reservations

call_command("migrate", verbosity=0)
warehouse = Warehouse.objects.create(code="near", name="Near")
adjust(sku="A", warehouse=warehouse, delta=3, reason=Reason.RECEIVED)
InventoryService().reserve(uuid.uuid4(), [Item("A", 2)])
Reservation.objects.update(expires_at=timezone.now())
expire_reservations.delay()
"""
IMPATIENT = """
import django
from celery.__main__ import main

django.setup()

from strangler.django.door import commanding

commanding.__wrapped__.__kwdefaults__["patience"] = 1.0
main()
"""
TABLES = ["inventory_stock", "inventory_reservation", "inventory_allocation"]
COUNTED = """
CREATE TABLE ended (reservation text);
CREATE TRIGGER count_them AFTER UPDATE ON inventory_reservation WHEN new.state = 'expired'
BEGIN INSERT INTO ended VALUES (new."order"); END;
"""
STATES = "SELECT state, reserved FROM inventory_reservation, inventory_stock"


@contextmanager
def worker(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    options = ["--pool", "solo", "--without-gossip", "--without-mingle", "--loglevel", "INFO"]
    command = [sys.executable, "-c", IMPATIENT, "-A", "monolith.config", "worker", *options]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def set_the_scene(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCENE],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def states(database: Path) -> Any:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(STATES).fetchone()


@contextmanager
def shut(database: Path) -> Iterator[Callable[[], None]]:
    """Inventory's door is shut, as in a freeze; gives what opens it."""
    url = f"sqlite:///{database}"
    there = SqliteDatabase(url, capability="inventory", arm=Arm.MONOLITH, tables=TABLES)
    with closing(there.session()) as mover:
        mover.install(owner=Arm.MONOLITH, epoch=1)
        mover.seize(1)
        mover.close_door(patience=1)
        yield mover.open_door


@pytest.mark.journey
@pytest.mark.redis
def test_a_worker_who_meets_a_shut_door_does_its_work_once_when_it_opens(
    redis_url: str, tmp_path: Path
):
    """Nobody is told: it waits, is tried again, and has begun nothing before."""
    database, log = tmp_path / "shop.sqlite3", tmp_path / "worker.log"
    environment = os.environ | {
        "DATABASE_URL": f"sqlite:///{database}",
        "DJANGO_SETTINGS_MODULE": "monolith.config.settings",
        "REDIS_URL": redis_url,
        "VAR": str(tmp_path),
    }
    set_the_scene(environment)
    entry = Entry(Stage.CANARY, 0, held=False, killed=False, share=Share(0, 0), fallback=True)
    point(prepare(tmp_path / "table", 1000, {"inventory": entry}))
    with closing(sqlite3.connect(database)) as books:
        books.executescript(COUNTED)
    assert states(database) == ("held", 2), "without a worker nothing happens"

    with shut(database) as opens, worker(environment, log) as process:

        def until(holds: Callable[[], object]) -> None:
            limit = time.monotonic() + SECONDS
            while not holds():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < limit, f"{states(database)}\n{log.read_text()}"
                time.sleep(0.05)

        until(lambda: "Retry in" in log.read_text())
        assert "DoorShut" in log.read_text()
        assert states(database) == ("held", 2)
        opens()
        until(lambda: "succeeded" in log.read_text())
    assert states(database) == ("expired", 0)
    with closing(sqlite3.connect(database)) as books:
        assert books.execute("SELECT count(*) FROM ended").fetchone() == (1,)


def test_beat_asks_for_tasks_that_there_are():
    app.loader.import_default_modules()

    asked = {entry["task"] for entry in app.conf.beat_schedule.values()}

    assert "monolith.inventory.tasks.expire_reservations" in asked
    assert "strangler.django.tasks.sweep_sagas" in asked
    assert asked <= set(app.tasks)
