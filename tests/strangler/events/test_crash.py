"""Whatever step of a relay is its last, nothing is lost, and what listeners handle is in order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.strangler.events.speaking import Speaker

pytestmark = pytest.mark.journey

TOP = Path(__file__).parents[3]
EVERY = 1 if os.environ.get("STRANGLER_CHAOS") else 3
"""Each step is tried in `make chaos`, and every third one in between."""


def crashing(speaker: Speaker, record: Path, sign: str) -> Any:
    program = [sys.executable, "-m", "tests.strangler.events.crashing"]
    done = subprocess.run(
        [*program, speaker.url, str(record), sign, str(EVERY)],
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("sign", ["KILL", "STOP"])
def test_whatever_step_was_its_last(speaker: Speaker, tmp_path: Path, sign: str):
    found = crashing(speaker, tmp_path / "record", sign)
    assert found["steps"] > {"KILL": 25, "STOP": 12}[sign], found
    assert found["told"] > found["events"], "nothing was ever told twice, so nothing was tried"
