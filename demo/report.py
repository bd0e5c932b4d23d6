"""The ledger at the end: for people on the screen, for programs in ``report.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.table import Table

from demo.ledger import Ledger, Reckoning

SHOWN = 5
"""How many examples of each mistake are shown."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the film came to. Times are in seconds."""

    capability: str
    seconds: float
    requests: int
    by_arm: dict[str, int]
    rescued: int
    failed: list[str]
    wrong: list[str]
    orders: int
    lost: list[str]
    twice: list[str]
    stages: list[str]
    rungs: list[tuple[str, float]]
    spoiled: str | None

    @classmethod
    def of(
        cls,
        ledger: Ledger,
        reckoning: Reckoning,
        *,
        capability: str,
        stages: list[str],
        rungs: list[tuple[str, float]],
        seconds: float,
        spoiled: str | None,
    ) -> Self:
        """Add up what the customers saw and what the books say."""
        by_arm: dict[str, int] = {}
        for (_, arm), figures in ledger.arms.items():
            by_arm[arm] = by_arm.get(arm, 0) + figures.requests
        return cls(
            capability=capability,
            seconds=seconds,
            requests=ledger.requests,
            by_arm=by_arm,
            rescued=ledger.rescued,
            failed=ledger.failures,
            wrong=[*ledger.mistakes, *reckoning.differing],
            orders=len(ledger.orders),
            lost=reckoning.lost,
            twice=reckoning.twice,
            stages=stages,
            rungs=rungs,
            spoiled=spoiled,
        )

    @property
    def clean(self) -> bool:
        """No fault was found, there was something to judge by, and the film went to its end."""
        faults = self.failed or self.wrong or self.lost or self.twice or self.spoiled
        return bool(self.orders) and not faults

    def as_json(self) -> dict[str, Any]:
        """What ``report.json`` holds."""
        return {
            "edge": "middleware",
            "database": "sqlite",
            "seconds": round(self.seconds, 1),
            "requests": self.requests,
            "requests_by_arm": self.by_arm,
            "rescued": self.rescued,
            "failed": len(self.failed),
            "wrong": len(self.wrong),
            "orders": self.orders,
            "lost": len(self.lost),
            "twice": len(self.twice),
            "finished": self.spoiled is None,
            "climbs": [
                {
                    "capability": self.capability,
                    "stages": self.stages,
                    "seconds": [[stage, round(seconds, 2)] for stage, seconds in self.rungs],
                }
            ],
        }


def conclude(report: Report, console: Console, *, folder: Path) -> None:
    """Print the ledger, and write ``report.json``."""
    folder.joinpath("report.json").write_text(json.dumps(report.as_json(), indent=2) + "\n")
    table = Table(title="The ledger", show_header=False)
    table.add_row("requests", f"{report.requests:,} in {report.seconds:.0f} s")
    for arm, count in sorted(report.by_arm.items()):
        table.add_row(f"  answered by {arm}", f"{count:,}")
    table.add_row("  rescued by monolith", f"{report.rescued:,}")
    table.add_row("failed", _colour(report.failed))
    table.add_row("wrong", _colour(report.wrong))
    table.add_row("orders placed", f"{report.orders:,}")
    table.add_row("orders lost", _colour(report.lost))
    table.add_row("orders twice", _colour(report.twice))
    table.add_section()
    for stage, seconds in report.rungs:
        table.add_row(f"time on {stage}", f"{seconds:.1f} s")
    console.print(table)
    for title, lines in (
        ("failed", report.failed),
        ("wrong", report.wrong),
        ("lost", report.lost),
        ("twice", report.twice),
    ):
        for line in lines[:SHOWN]:
            console.print(f"{title}: {line}", style="red", markup=False)
    if report.spoiled:
        console.print(f"The film was spoiled: {report.spoiled}", style="red", markup=False)
    elif report.clean:
        console.print("Not one request failed; not one order was lost, or done twice.")


def _colour(faults: list[str]) -> str:
    return f"[red]{len(faults)}[/]" if faults else "[green]0[/]"
