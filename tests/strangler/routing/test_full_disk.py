"""A disk without room leaves the table as it was, and is no hindrance once it has some."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).parents[3]


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "tests.strangler.routing.cramped", str(tmp_path)]
    done = subprocess.run(
        ["unshare", "-Urm", *program],
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"bytes": 10, "names": 10}
