"""``python -m extracted.pricing --port 8102``."""

from __future__ import annotations

import argparse
import sys

from extracted.pricing.app import create
from extracted.pricing.checked import RulesErrors
from strangler.fastapi.server import run
from strangler.fastapi.settings import ServiceSettings
from strangler.manifest import ManifestErrors
from strangler.ports.keys import KeysUnusable


def main() -> int:
    """Serve until told to stop; 1 if the service can't start, and then say why."""
    parser = argparse.ArgumentParser(prog="python -m extracted.pricing", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8102, help="TCP port to listen on")
    wanted = parser.parse_args()
    try:
        app = create()
    except (RulesErrors, ManifestErrors, KeysUnusable) as error:
        sys.stderr.write(f"pricing can't start:\n{error}\n")
        return 1
    run(app, host=wanted.host, port=wanted.port, drain=ServiceSettings().drain)
    return 0


if __name__ == "__main__":
    sys.exit(main())
