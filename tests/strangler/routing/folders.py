"""Routing tables for tests."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from strangler.ladder import Share, Stage
from strangler.routing.table import Entry

NOBODY = 65534


def entry(queries: int, commands: int = 0) -> Entry:
    """An entry with these shares, in cohorts."""
    return Entry(
        stage=Stage.CANARY,
        percent=max(1, queries // 10),
        held=False,
        killed=False,
        share=Share(queries, commands),
        fallback=True,
    )


def content(root: Path) -> Mapping[str, str]:
    """Everything that readers of a table can see, by its path."""
    return {
        str(path.relative_to(root)): str(path.readlink()) if path.is_symlink() else ""
        for path in sorted(root.rglob("*"))
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
    }


@contextmanager
def unprivileged() -> Iterator[None]:
    """Permissions mean nothing to root, so be somebody else for a while."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
