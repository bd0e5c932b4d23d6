"""The ledger at the end: for people on the screen, for programs in ``report.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.table import Table

from demo.ledger import Ledger, Reckoning
from demo.told import Told

SHOWN = 5
"""How many examples of each mistake are shown."""


@dataclass(frozen=True, slots=True)
class Climb:
    """The rungs that one capability stood on, and for how many seconds."""

    capability: str
    stages: list[str]
    rungs: list[tuple[str, float]]

    def as_json(self) -> dict[str, Any]:
        """As ``report.json`` has it."""
        return {
            "capability": self.capability,
            "stages": self.stages,
            "seconds": [[stage, round(seconds, 2)] for stage, seconds in self.rungs],
        }


@dataclass(frozen=True, slots=True)
class Carried:
    """What the mover did: rows that are on both sides, lags by capability, freezes. In seconds."""

    rows: int = 0
    lags: dict[str, float] = field(default_factory=dict)
    freezes: list[tuple[str, float]] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    """Rows that are not the same on both sides in the end."""

    def as_json(self) -> dict[str, Any]:
        """As ``report.json`` has it."""
        return {
            "rows": self.rows,
            "lag": {name: round(lag, 3) for name, lag in self.lags.items()},
            "freezes": [[name, round(freeze, 3)] for name, freeze in self.freezes],
            "differing": len(self.differing),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What the film came to. Times are in seconds."""

    climbs: list[Climb]
    transfer: Carried
    edge: str
    database: str
    bus: str
    seconds: float
    requests: int
    by_arm: dict[str, int]
    rescued: int
    failed: list[str]
    wrong: list[str]
    orders: int
    lost: list[str]
    twice: list[str]
    slowest_write: float
    spoiled: str | None
    told: Told
    effects: Reckoning
    """What was said and paid, held against the orders."""

    @classmethod
    def of(
        cls,
        ledger: Ledger,
        reckoning: Reckoning,
        effects: Reckoning | None = None,
        *,
        told: Told | None = None,
        climbs: list[Climb],
        seconds: float,
        spoiled: str | None,
        transfer: Carried | None = None,
        edge: str = "middleware",
        database: str = "sqlite",
        bus: str = "http",
    ) -> Self:
        """Add up what the customers saw and what the books say."""
        effects = effects or Reckoning(lost=[], twice=[], differing=[])
        by_arm: dict[str, int] = {}
        for (_, arm), figures in ledger.arms.items():
            by_arm[arm] = by_arm.get(arm, 0) + figures.requests
        return cls(
            climbs=climbs,
            transfer=transfer or Carried(),
            edge=edge,
            database=database,
            bus=bus,
            seconds=seconds,
            requests=ledger.requests,
            by_arm=by_arm,
            rescued=ledger.rescued,
            failed=ledger.failures,
            wrong=[
                *ledger.mistakes,
                *reckoning.differing,
                *effects.differing,
                *(transfer.differing if transfer else ()),
            ],
            orders=len(ledger.orders),
            lost=[*reckoning.lost, *effects.lost],
            twice=[*reckoning.twice, *effects.twice],
            slowest_write=ledger.slowest_write,
            spoiled=spoiled,
            told=told or Told(),
            effects=effects,
        )

    @property
    def clean(self) -> bool:
        """No fault was found, there was something to judge by, and the film went to its end."""
        faults = self.failed or self.wrong or self.lost or self.twice or self.spoiled
        return bool(self.orders) and not faults

    @property
    def examples(self) -> list[tuple[str, str]]:
        """The first few faults of each kind: the kind, and what it was."""
        kinds = {
            "failed": self.failed, "wrong": self.wrong, "lost": self.lost, "twice": self.twice
        }  # fmt: skip
        return [(kind, line) for kind, lines in kinds.items() for line in lines[:SHOWN]]

    def as_json(self) -> dict[str, Any]:
        """What ``report.json`` holds."""
        return {
            "edge": self.edge,
            "database": self.database,
            "bus": self.bus,
            "seconds": round(self.seconds, 1),
            "requests": self.requests,
            "requests_by_arm": self.by_arm,
            "rescued": self.rescued,
            "failed": len(self.failed),
            "wrong": len(self.wrong),
            "orders": self.orders,
            "lost": len(self.lost),
            "twice": len(self.twice),
            "faults": [f"{kind}: {line}" for kind, line in self.examples],
            "finished": self.spoiled is None,
            "slowest_write": round(self.slowest_write, 3),
            "transfer": self.transfer.as_json(),
            "events": {
                "published": self.told.published,
                "delivered": self.told.delivered,
                "lost": len(self.effects.lost),
                "twice": len(self.effects.twice),
                "parked": self.told.parked,
            },
            "mails": self.told.by_arm,
            "sagas": {
                "completed": self.told.sagas.get("completed", 0),
                "compensated": self.told.sagas.get("compensated", 0),
                "stuck": self.told.sagas.get("stuck", 0),
            },
            "money": {"charged": str(self.told.money), "differing": len(self.effects.differing)},
            "climbs": [climb.as_json() for climb in self.climbs],
        }


def conclude(report: Report, console: Console, *, folder: Path) -> None:
    """Print the ledger, and write ``report.json``."""
    folder.joinpath("report.json").write_text(json.dumps(report.as_json(), indent=2) + "\n")
    table = Table(title="The ledger", show_header=False)
    for add in (_add_requests, _add_told, _add_carried):
        add(table, report)
        table.add_section()
    for climb in report.climbs:
        for stage, seconds in climb.rungs:
            table.add_row(f"{climb.capability} on {stage}", f"{seconds:.1f} s")
        table.add_section()
    console.print(table)
    for kind, line in report.examples:
        console.print(f"{kind}: {line}", style="red", markup=False)
    if report.spoiled:
        console.print(f"The film was spoiled: {report.spoiled}", style="red", markup=False)
    elif report.clean:
        console.print("Not one request failed; not one order was lost, or done twice.")


def _add_requests(table: Table, report: Report) -> None:
    table.add_row("requests", f"{report.requests:,} in {report.seconds:.0f} s")
    for arm, count in sorted(report.by_arm.items()):
        table.add_row(f"  answered by {arm}", f"{count:,}")
    table.add_row("  rescued by monolith", f"{report.rescued:,}")
    table.add_row("failed", _colour(report.failed))
    table.add_row("wrong", _colour(report.wrong))
    table.add_row("orders placed", f"{report.orders:,}")
    table.add_row("orders lost", _colour(report.lost))
    table.add_row("orders twice", _colour(report.twice))
    table.add_row("slowest write", f"{report.slowest_write * 1000:.0f} ms")


def _add_told(table: Table, report: Report) -> None:
    told = report.told
    table.add_row("events published", f"{told.published:,}")
    table.add_row("  delivered", f"{told.delivered:,}")
    table.add_row("  effects lost", _colour(report.effects.lost))
    table.add_row("  effects twice", _colour(report.effects.twice))
    table.add_row("  parked", f"{told.parked:,}")
    table.add_row("mails arrived", f"{len(told.mails):,}")
    for arm, count in sorted(told.by_arm.items()):
        table.add_row(f"  sent by {arm}", f"{count:,}")
    for state in ("completed", "compensated"):
        table.add_row(f"sagas {state}", f"{told.sagas.get(state, 0):,}")
    table.add_row("charged, and not due", _colour(report.effects.differing))


def _add_carried(table: Table, report: Report) -> None:
    carried = report.transfer
    table.add_row("rows moved", f"{carried.rows:,}")
    table.add_row("  of 100, 99 arrived within", ", ".join(map(_seconds, carried.lags.values())))
    for name, freeze in carried.freezes:
        table.add_row(f"freeze of {name}", _seconds(freeze))


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _colour(faults: list[str]) -> str:
    return f"[red]{len(faults)}[/]" if faults else "[green]0[/]"
