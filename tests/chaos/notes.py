"""A log of one process: a line of JSON for each thing said, on the disk before it goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self


class Notes:
    """What one process says; a process that comes after it under its name goes on with it."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def say(self, *, sure: bool = False, **what: Any) -> None:
        """``sure``: it is on the disk once this returns."""
        os.write(self._descriptor, json.dumps(what).encode() + b"\n")
        if sure:
            os.fsync(self._descriptor)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """What was said; a line whose writer was killed within it was never said."""
    if not path.exists():
        return
    for line in path.read_text().splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue
