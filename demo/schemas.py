"""``python -m demo.schemas catalog inventory``: every service's ``migrate``, in one process.

Each would take a second to start.
"""

from __future__ import annotations

import sys
from importlib import import_module


def main() -> int:
    """Make the tables of one service after the other; the exit code of the first that fails."""
    for name in sys.argv[1:]:
        if code := import_module(f"extracted.{name}.migrating").main():
            return int(code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
