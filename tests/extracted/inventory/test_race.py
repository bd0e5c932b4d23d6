"""Nothing is ever sold twice: processes and threads race for the last goods, on real databases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.journey

ROOT = Path(__file__).parents[3]
RACE = Path(__file__).with_name("race.py")
STOCK = {"A": 40, "B": 60, "C": 25, "LAST": 20}


def race(database: str, *, processes: int, threads: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(RACE), database, str(processes), str(threads)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def check(result: dict[str, Any], racers: int) -> None:
    assert result["errors"] == []
    assert result["imbalances"] == []
    assert result["reserved"] == 0
    seen = result["seen"]
    assert seen["order [1, 2]"] == racers, "everybody got the same reservation"
    assert seen["got one of the last"] == STOCK["LAST"]
    assert seen["too late"] == 4 * racers - STOCK["LAST"]
    assert seen["refused"] >= racers
    for sku, quantity in STOCK.items():
        assert result["left"][sku] + result["sold"][sku] == quantity
    assert result["left"]["LAST"] == 0


@pytest.mark.postgres
def test_on_postgresql(postgres_url: str):
    check(race(postgres_url, processes=4, threads=4), 16)


def test_on_sqlite(tmp_path: Path):
    check(race(f"sqlite:///{tmp_path / 'race.sqlite3'}", processes=2, threads=4), 8)
