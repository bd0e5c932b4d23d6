"""The expiry as it runs in production: asked for through a real Redis, done by a real worker."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from monolith.config.celery import app

ROOT = Path(__file__).parents[3]
SECONDS = 40
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
STATES = "SELECT state, reserved FROM inventory_reservation, inventory_stock"


@contextmanager
def worker(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    options = ["--pool", "solo", "--without-gossip", "--without-mingle"]
    command = [sys.executable, "-m", "celery", "-A", "monolith.config", "worker", *options]
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


@pytest.mark.redis
def test_a_worker_frees_what_is_held_beyond_its_time(redis_url: str, tmp_path: Path):
    database = tmp_path / "shop.sqlite3"
    environment = os.environ | {
        "DATABASE_URL": f"sqlite:///{database}",
        "DJANGO_SETTINGS_MODULE": "monolith.config.settings",
        "REDIS_URL": redis_url,
        "VAR": str(tmp_path),
    }
    set_the_scene(environment)
    assert states(database) == ("held", 2), "without a worker nothing happens"

    limit = time.monotonic() + SECONDS
    log = tmp_path / "worker.log"
    with worker(environment, log) as process:
        while (found := states(database)) != ("expired", 0):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < limit, f"{found}\n{log.read_text()}"
            time.sleep(0.1)


def test_beat_asks_for_tasks_that_there_are():
    app.loader.import_default_modules()

    asked = {entry["task"] for entry in app.conf.beat_schedule.values()}

    assert "monolith.inventory.tasks.expire_reservations" in asked
    assert "monolith.ordering.tasks.finish_stuck_orders" in asked
    assert asked <= set(app.tasks)
