"""``strangler``: see where each capability stands, and move it.

Where there is no Django it does what can be done without: beside an edge, or beside a service.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

__all__ = ["main", "run"]

_EXTRA = frozenset({"rich", "typer"})


def run(arguments: Sequence[str], *, program: str = "strangler") -> int:
    """Run one command; returns its exit code: 2 where no extra for this is installed."""
    extra = "cli" if find_spec("django") else "agent"
    try:
        if extra == "cli":
            from strangler.cli.app import run as commanded
        else:
            from strangler.cli.bare import run as commanded
    except ModuleNotFoundError as missing:
        name = (missing.name or "").partition(".")[0]
        if name not in _EXTRA:
            raise
        sys.stderr.write(
            f"{program} needs {name}, which an extra brings: install strangler[{extra}]\n"
        )
        return 2
    return commanded(arguments, program=program)


def main() -> None:
    """The ``strangler`` script."""
    sys.exit(run(sys.argv[1:]))
