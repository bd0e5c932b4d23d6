"""Publish on a disk that is really full; run as a program of its own: ``cramped.py FOLDER``.

It runs where it may mount a small disk on the folder, in a namespace of its own.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

from strangler.routing.publish import PublishFailed, publish
from strangler.routing.table import Table
from tests.strangler.routing.folders import entry

SMALL = {"bytes": "size=512k", "names": "nr_inodes=1500"}
"""How a disk may be full: of bytes, or of files."""


def fill(folder: Path, kind: str) -> None:
    """Until there is no room for anything."""
    folder.mkdir()
    with contextlib.suppress(OSError):
        for number in range(100_000):
            (folder / str(number)).write_bytes(b"x" * 4096 if kind == "bytes" else b"")
    assert number > 10, f"no room for {kind} to begin with"


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def play(folder: Path, kind: str) -> dict[str, int]:
    """Publish, be refused again and again, and go on; how often it was refused."""
    disk = folder / kind
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", SMALL[kind], "tmpfs", disk], check=True)
    root, refused, revision = disk / "table", 0, 1
    publish(root, revision, {"catalog": entry(3)})
    reader = Table(root, verify_every=0.0)
    for count in (4, 5):
        before = reader.entries()
        fill(disk / "filler", kind)
        for more in range(5):
            try:
                # Each wants a set that is not there yet.
                publish(root, revision + 1, {"catalog": entry(100 * count + more)})
            except PublishFailed as failed:
                refused += "no space left" in str(failed)
            assert reader.entries() == before
        empty(disk / "filler")
        revision += 2
        assert publish(root, revision, {"catalog": entry(count)}) == revision
        assert reader.entries() == {"catalog": entry(count)}
        left = [str(path) for path in root.rglob(".*") if path.name != ".lock"]
        assert not left, left
    return {kind: refused}


if __name__ == "__main__":
    json.dump(
        {k: n for kind in SMALL for k, n in play(Path(sys.argv[1]), kind).items()}, sys.stdout
    )
