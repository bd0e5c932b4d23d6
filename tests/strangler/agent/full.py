"""An agent whose disk is full for a while; run as a program of its own.

An audit hook, which can't be taken back, refuses what would take space as long as a file is there.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from tests.strangler.agent.told import plane, said

TAKES = {"os.link", "os.mkdir", "os.symlink"}


def play(root: Path) -> None:
    """Publish, be refused, and go on by oneself."""
    full = root / "full"

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        here = str(root / "table") in str(arguments[:2]) and os.path.lexists(full)
        if here and (event in TAKES or (event == "open" and int(str(arguments[2])) & os.O_CREAT)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))

    with plane(root) as told:
        follower = told.follower()
        told.news = said(1, 10)
        follower.step()
        sys.addaudithook(hook)
        full.touch()
        told.news = said(2, 20)
        for _ in range(2):
            follower.step()
            assert told.table.entry("weather").share.queries == 10
        assert "no space left" in told.reports[-1].refused, told.reports[-1]
        assert "free some space" in told.reports[-1].refused
        full.unlink()
        follower.step()
        assert told.table.entry("weather").share.queries == 20
        follower.step()
        assert told.reports[-1].refused == ""
        assert told.reports[-1].table == 2


if __name__ == "__main__":
    play(Path(sys.argv[1]))
