"""The secret by which the monolith knows the edge in front of it: a file among the keys."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

FILE = "edge.secret"


def make(folder: Path) -> str:
    """The secret, which is made if there is none yet.

    Raises:
        OSError: it can't be read, or written.
    """
    found = read(folder)
    if found is not None:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{FILE}.{os.getpid()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        os.link(draft, folder / FILE)  # somebody else's, if they were first
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return read(folder) or make(folder)


def read(folder: Path) -> str | None:
    """The secret; None where there is none.

    Raises:
        OSError: it can't be read.
    """
    try:
        return (folder / FILE).read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None
