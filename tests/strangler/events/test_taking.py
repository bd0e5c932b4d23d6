"""Whoever takes events may be killed at any step: nothing is lost, doubled or out of order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import Postgres

pytestmark = pytest.mark.journey


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_killed_at_every_step(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = f"sqlite:///{tmp_path / 'notes.sqlite3'}"
    if kind == "postgres":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.create()
    stride = "1" if os.environ.get("STRANGLER_CHAOS") else "7"
    program = [sys.executable, "-m", "tests.strangler.events.taking", url, str(tmp_path), stride]
    ran = subprocess.run(program, capture_output=True, text=True, timeout=240, check=False)
    assert ran.returncode == 0, ran.stderr[-4000:]
    assert json.loads(ran.stdout)["steps"] > 30
