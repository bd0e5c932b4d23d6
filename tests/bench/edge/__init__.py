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
from tests.servers import current_nginx, installed_nginx


def bench(folder: Path) -> Iterator[Row]:
    """A plain NGINX, then others, then flips, of which the current NGINX does as many."""
    with arms() as both:
        yield from throughput.bench(folder, both)
        yield from flips.bench(folder, both, installed_nginx())
        yield from flips.bench(folder, both, current_nginx(), "edge, current NGINX")
