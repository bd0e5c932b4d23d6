"""What must not be shared with a child process: sockets, and locks that another thread may hold."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forked(Protocol):
    """Something that puts itself in order when it wakes up in a child process."""

    def after_fork(self) -> None:
        """Forget what belongs to the parent. Nothing else runs in the child yet."""


_kept: weakref.WeakSet[Forked] = weakref.WeakSet()


def watch(kept: Forked) -> None:
    """Call its ``after_fork`` in every child process, for as long as it lives."""
    _kept.add(kept)


def _renew() -> None:
    for kept in list(_kept):
        kept.after_fork()


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_renew)
