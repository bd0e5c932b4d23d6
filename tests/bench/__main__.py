"""``python -m tests.bench [--only NAME]``: measure, print, write, and fail if a goal is missed."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.harness import ROOT, Row, measured

BENCHES = (
    "local",
    "http",
    "middleware",
    "flip",
    "edge",
    "many",
    "transfer",
    "buses",
    "outbox",
    "relay",
    "consume",
)
"""Each is a module with ``bench(folder)``, which yields rows."""
REPORT = ROOT / "var" / "bench" / "report.json"


def main() -> int:
    """0 if every goal is met, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", choices=BENCHES, action="append", help="run this one")
    wanted = parser.parse_args().only or BENCHES
    console = Console(width=None if sys.stdout.isatty() else 110)
    rows: list[Row] = []
    for name in wanted:
        with (
            console.status(f"measuring {name} …"),
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            # A process of its own: what one bench wires must not change what another one measures.
            ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process,
        ):
            rows.extend(process.submit(measured, name, Path(folder)).result())
    return told(rows, console, REPORT)


def told(rows: list[Row], console: Console, report: Path) -> int:
    """Print the rows, write the report, and say by the exit code whether all goals are met.

    Raises:
        ValueError: two rows have one name, so nobody could say which is meant.
    """
    twice = [name for name, count in Counter(row.name for row in rows).items() if count > 1]
    if twice:
        raise ValueError(f"several rows have one name, name their peers in it: {'; '.join(twice)}")
    console.print(table(rows))
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps([row.to_json() for row in rows], indent=2) + "\n")
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    console.print(f"{report}, {load}")
    missed = [row.name for row in rows if row.met is False]
    if missed:
        console.print(f"[red]missed: {'; '.join(missed)}[/red]")
    return 1 if missed else 0


def table(rows: list[Row]) -> Table:
    """The rows as a person reads them."""
    drawn = Table(title="ours beside our peers", caption="medians; spread: the middle half")
    drawn.add_column("what", min_width=40)
    for head in ("ours", "peer", "ratio", "spread", "goal"):
        drawn.add_column(head, justify="right", no_wrap=True)
    drawn.add_column("")
    for row in rows:
        low, high = row.spread
        beside = f"[dim]{row.unit}, beside {row.peer_name}{row.note and '; '}{row.note}[/]"
        drawn.add_row(
            f"{row.name}\n{beside}",
            figure(row.ours),
            figure(row.peer),
            f"{row.ratio:.3g}",
            f"{low:.3g} – {high:.3g}",
            row.goal.text if row.goal else "",
            {None: "", True: "[green]met[/]", False: "[red]missed[/]"}[row.met],
        )
    return drawn


def figure(value: float) -> str:
    """Three digits that count, or all before the point."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
