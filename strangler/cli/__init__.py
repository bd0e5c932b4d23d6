"""``strangler``: see where each capability stands, and move it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main", "run"]

_EXTRA = frozenset({"django", "rich", "typer"})


def run(arguments: Sequence[str], *, program: str = "strangler") -> int:
    """Run one command; returns its exit code: 2 where the extra ``cli`` is not installed."""
    try:
        from strangler.cli import app
    except ModuleNotFoundError as missing:
        name = (missing.name or "").partition(".")[0]
        if name not in _EXTRA:
            raise
        sys.stderr.write(
            f"{program} needs {name}, which the extra `cli` brings: install strangler[cli]\n"
        )
        return 2
    return app.run(arguments, program=program)


def main() -> None:
    """The ``strangler`` script."""
    sys.exit(run(sys.argv[1:]))
