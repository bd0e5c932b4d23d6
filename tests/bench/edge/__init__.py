"""What the compiled NGINX costs beside others, and how soon it flips.

Each edge has one processor to itself, as one worker; what it asks, and the clients, share the
others.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.bench.edge import flips, throughput
from tests.bench.edge.edges import arms
from tests.bench.harness import Row


def bench(folder: Path) -> Iterator[Row]:
    """A plain NGINX, then others, then flips."""
    with arms() as both:
        yield from throughput.bench(folder, both)
        yield from flips.bench(folder, both)
