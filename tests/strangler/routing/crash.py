"""Publish, and be killed or refused at every single step of it; run as a program of its own.

An audit hook sees each step before it is taken, and can't be taken back, so every attempt happens
in a forked child. Writes how many steps there were for each way to fail, as JSON; raises
AssertionError for a table that was left in pieces.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from strangler.routing.publish import PublishFailed, publish
from strangler.routing.table import Table
from tests.strangler.routing.folders import entry

OLD = {"catalog": entry(3), "pricing": entry(2, 2)}
NEW = {"catalog": entry(4), "pricing": entry(0)}
NEXT = {"catalog": entry(1), "pricing": entry(1)}

STEPS = {
    "open",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.scandir",
    "os.symlink",
}
DONE, REFUSED, NO_SUCH_STEP = 0, 3, 4


def killed(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def full_once(steps_late: int) -> None:
    if steps_late == 0:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/some/file")


def full_from_then_on(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/some/file")


def attempt(root: Path, step: int, fail: Callable[[int], None]) -> int:
    """Publish in a child which fails at one step; how that ended."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    seen = 0

    def hook(event: str, _: tuple[object, ...]) -> None:
        nonlocal seen
        if event in STEPS:
            seen += 1
            if seen >= step:
                fail(seen - step)

    try:
        sys.addaudithook(hook)
        publish(root, 2, NEW)
    except PublishFailed as failed:
        os._exit(REFUSED if "no space left" in str(failed) else 1)
    except BaseException:  # noqa: BLE001  # a forked child must not go on with the parent's work
        os._exit(1)
    os._exit(DONE if seen >= step else NO_SUCH_STEP)


def every_step(folder: Path, fail: Callable[[int], None]) -> int:
    """Fail at the first step, at the second, … until there is none left; how many there were."""
    template = folder / "template"
    publish(template, 1, OLD)
    step = 0
    while True:
        step += 1
        root = folder / f"{fail.__name__}-{step}"
        shutil.copytree(template, root, symlinks=True)
        reader = Table(root, verify_every=0.0)
        assert reader.entries() == OLD
        end = attempt(root, step, fail)
        if end == NO_SUCH_STEP:
            assert reader.entries() == NEW
            shutil.rmtree(template)
            return step - 1
        assert end in {DONE, REFUSED, -signal.SIGKILL}, (fail.__name__, step, end)
        seen = reader.entries()
        assert seen in ({DONE: [NEW], REFUSED: [OLD]}.get(end) or [OLD, NEW]), (step, end)
        assert publish(root, 3, NEXT) == 3
        assert reader.entries() == NEXT
        left = [path for path in root.rglob(".*") if path.name != ".lock"]
        assert not left, (fail.__name__, step, left)
        shutil.rmtree(root)


if __name__ == "__main__":
    os.fsync = lambda fd: None
    ways = (killed, full_once, full_from_then_on)
    json.dump({fail.__name__: every_step(Path(sys.argv[1]), fail) for fail in ways}, sys.stdout)
