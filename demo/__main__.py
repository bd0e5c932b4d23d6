"""``python -m demo``: the film. Exit code 0 only if nothing failed, was wrong, lost or twice."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from demo import interruptions
from demo.film import film
from demo.processes import NotReady
from demo.settings import FOLDER, Settings


def main() -> int:
    """Read the settings from the environment, and roll."""
    wanted = {
        "EDGE": (os.environ.get("EDGE") or "middleware", "middleware"),
        "DATABASE": (os.environ.get("DATABASE") or "sqlite", "sqlite"),
    }
    for name, (value, known) in wanted.items():
        if value != known:
            print(
                f"demo: {name}={value} is unknown here; leave it out, or write {known}",
                file=sys.stderr,
            )
            return 2
    interruptions.watch()
    try:
        folder = Path(os.environ.get("DEMO_FOLDER") or FOLDER).absolute()
        return film(Settings(stay=bool(os.environ.get("STAY")), folder=folder))
    except NotReady as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: stopped; everything it started is down", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
