"""``strangler``: see where each capability stands, and move it."""

from __future__ import annotations

from strangler.cli.app import main, run

__all__ = ["main", "run"]
