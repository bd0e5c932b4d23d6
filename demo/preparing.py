"""``python -m demo.preparing``: the commands of ``manage.py`` on standard input, in one process.

Each would take a second to start.
"""

from __future__ import annotations

import runpy
import shlex
import sys

from demo.processes import ROOT


def main() -> None:
    """Give one command after the other, a line each."""
    for line in sys.stdin:
        sys.argv = ["manage.py", *shlex.split(line)]
        try:
            runpy.run_path(str(ROOT / "manage.py"), run_name="__main__")
        except SystemExit as ended:
            if ended.code:
                raise


if __name__ == "__main__":
    main()
