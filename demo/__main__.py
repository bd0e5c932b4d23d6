"""``python -m demo``: the film. Exit code 0 only if nothing failed, was wrong, lost or twice."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from demo import interruptions
from demo.film import film
from demo.processes import NotReady
from demo.servers import ServerFailedError, ServerMissingError
from demo.settings import FOLDER, Settings

KNOWN = {
    "EDGE": ("middleware", "nginx"),
    "DATABASE": ("sqlite", "postgres"),
    "BUS": ("http", "redis"),
}
"""What the film can be played with; the first is the default."""


def main() -> int:
    """Read the settings from the environment, and roll."""
    for name, known in KNOWN.items():
        value = os.environ.get(name) or known[0]
        if value not in known:
            print(
                f"demo: {name}={value} is unknown here; leave it out, or write "
                f"{' or '.join(known)}",
                file=sys.stderr,
            )
            return 2
    interruptions.watch()
    try:
        folder = Path(os.environ.get("DEMO_FOLDER") or FOLDER).absolute()
        edge, database, bus = (os.environ.get(name) or known[0] for name, known in KNOWN.items())
        stay = bool(os.environ.get("STAY"))
        return film(Settings(stay=stay, folder=folder, database=database, edge=edge, bus=bus))
    except (NotReady, ServerMissingError, ServerFailedError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: stopped; everything it started is down", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
