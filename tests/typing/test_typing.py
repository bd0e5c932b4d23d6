"""The public types are a contract, too: what a type checker accepts, and what it refuses."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ERROR = re.compile(r"(?P<file>[^:]+):(?P<line>\d+): error: .*\[(?P<code>[a-z-]+)\]")
CACHE = ".mypy_cache/public"
WANTED = re.compile(r"# E: (?P<codes>[a-z,-]+)$")


def wanted() -> set[tuple[str, int, str]]:
    """What the comments say."""
    found = set()
    for number, line in enumerate((HERE / "refused.py").read_text().splitlines(), 1):
        if at := WANTED.search(line):
            found |= {("refused.py", number, code) for code in at["codes"].split(",")}
    return found


def test_what_a_type_checker_accepts_and_refuses():
    files = [str(HERE / name) for name in ("accepted.py", "refused.py")]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", "--strict", "--no-error-summary",
         "--no-pretty", "--hide-error-context", "--cache-dir", CACHE, *files],
        capture_output=True,
        check=False,
        text=True,
        cwd=HERE.parents[1],
    )  # fmt: skip
    assert not done.stderr
    errors = [ERROR.fullmatch(line) for line in done.stdout.splitlines() if ": error: " in line]
    found = {(Path(at["file"]).name, int(at["line"]), at["code"]) for at in errors if at}
    assert found == wanted(), done.stdout
    assert len(wanted()) > 20
