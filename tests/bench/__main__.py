"""``python -m tests.bench [--only NAME]``: measure, print, write, and fail if a goal is missed."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.harness import ROOT, Row

BENCHES = ("local", "http", "middleware", "flip")
"""Each is a module with ``bench(folder)``, which yields rows."""
REPORT = ROOT / "var" / "bench" / "report.json"


def main() -> int:
    """0 if every goal is met, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", choices=BENCHES, action="append", help="run this one")
    wanted = parser.parse_args().only or BENCHES
    console = Console()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name in wanted:
            own = Path(folder) / name
            own.mkdir()
            bench: Callable[[Path], Iterator[Row]]
            bench = importlib.import_module(f"tests.bench.{name}").bench
            with console.status(f"measuring {name} …"):
                rows.extend(bench(own))
    console.print(table(rows))
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps([row.to_json() for row in rows], indent=2) + "\n")
    missed = [row.name for row in rows if not row.met]
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    console.print(f"{REPORT.relative_to(ROOT)} · {load}")
    if missed:
        console.print(f"[red]missed: {'; '.join(missed)}[/red]")
    return 1 if missed else 0


def table(rows: list[Row]) -> Table:
    """The rows as a person reads them."""
    drawn = Table(title="ours beside our peers; medians, and the middle half of the ratios")
    drawn.add_column("what")
    drawn.add_column("ours", justify="right")
    drawn.add_column("peer", justify="right")
    drawn.add_column("unit")
    drawn.add_column("of the peer")
    drawn.add_column("ratio", justify="right")
    drawn.add_column("spread", justify="right")
    drawn.add_column("goal")
    drawn.add_column("")
    for row in rows:
        low, high = row.spread
        verdict = "" if row.goal is None else "[green]met[/]" if row.met else "[red]missed[/]"
        drawn.add_row(
            f"{row.name}\n[dim]{row.note}[/]" if row.note else row.name,
            f"{row.ours:,.4g}" if row.ours < 1000 else f"{row.ours:,.0f}",
            f"{row.peer:,.4g}" if row.peer < 1000 else f"{row.peer:,.0f}",
            row.unit,
            row.peer_name,
            f"{row.ratio:.3g}",
            f"{low:.3g} – {high:.3g}",
            row.goal.text if row.goal else "",
            verdict,
        )
    return drawn


if __name__ == "__main__":
    sys.exit(main())
