"""What the audience sees: the ladders, the split, errors and latency by arm, and what was done."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from rich import box
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from demo.ledger import Ledger
from demo.settings import CLIMBERS
from strangler.ladder import Arm, Stage

LINES = 12
"""How many lines of the story are on the screen."""

WIDTH = 100
"""Columns of the live view."""

TABLELESS = "pricing"
"""It has no rows that would have to be carried."""

COLOURS = {Arm.MONOLITH: "cyan", Arm.SERVICE: "green"}


@dataclass(slots=True)
class Picture:
    """What the live view shows; rendered anew at every tick."""

    capability: str
    ledger: Ledger
    began: float = field(default_factory=time.monotonic)
    standing: dict[str, tuple[Stage, int]] = field(default_factory=dict)
    freezes: list[tuple[str, float]] = field(default_factory=list)
    """Whose rows changed owner, and for how many seconds commands waited at most."""
    story: deque[Text] = field(default_factory=lambda: deque(maxlen=LINES))

    @property
    def stage(self) -> Stage:
        """Where the capability that is shown stands."""
        return self.standing.get(self.capability, (Stage.MONOLITH, 0))[0]

    @property
    def percent(self) -> int:
        """Its canary's share."""
        return self.standing.get(self.capability, (Stage.MONOLITH, 0))[1]

    def show(self, capability: str) -> None:
        """Whose climb is to be seen from now on."""
        self.capability = capability

    def stand(self, capability: str, stage: Stage, percent: int) -> None:
        """A capability has moved, and is shown."""
        self.standing[capability] = (stage, percent)
        self.show(capability)

    def __rich_console__(self, _console: Console, _options: ConsoleOptions) -> RenderResult:
        seconds = time.monotonic() - self.began
        yield Panel(
            Group(
                self._ladders(),
                Text(),
                self._split(),
                Text(),
                self._figures(seconds),
                Rule(style="dim"),
                *self.story,
            ),
            title=f"[bold]{self.capability}[/] climbs, under traffic",
            subtitle=f"{seconds:4.0f} s",
            box=box.ROUNDED,
            width=WIDTH,
        )

    def _ladders(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for name in CLIMBERS:
            shown = "bold" if name == self.capability else "dim"
            table.add_row(Text(f"  {name}", style=shown), self._ladder(name))
        return table

    def _ladder(self, capability: str) -> Text:
        at, percent = self.standing.get(capability, (Stage.MONOLITH, 0))
        text = Text()
        for stage in Stage:
            if stage is not Stage.MONOLITH:
                text.append("─", style="dim")
            label = f"{stage} {percent} %" if stage is at is Stage.CANARY else str(stage)
            if stage is Stage.REPLICATING and capability == TABLELESS:
                text.append("─" * (len(label) + 2), style="dim")
            elif stage is at:
                text.append(f"[{label}]", style="bold green")
            else:
                text.append(f" {label} ", style="dim")
        return text

    def _split(self) -> Text:
        width = 60
        share = {Stage.LIVE: 100, Stage.RETIRED: 100}.get(self.stage, self.percent)
        service = round(width * share / 100)
        text = Text("  who answers  ")
        text.append("█" * (width - service), style=COLOURS[Arm.MONOLITH])
        text.append("▒" * service, style=COLOURS[Arm.SERVICE])
        text.append(f"  {share:3} % service")
        return text

    def _figures(self, seconds: float) -> Table:
        table = Table(box=None, padding=(0, 2), show_edge=False)
        table.add_column(f"{self.capability}, by arm")
        for heading in ("requests", "failed", "rescued", "p50", "p95"):
            table.add_column(heading, justify="right")
        for arm in Arm:
            figures = self.ledger.arms.get((self.capability, arm))
            if figures is None:
                table.add_row(Text(arm, style=COLOURS[arm]), "0", "0", "0", "–", "–")
                continue
            table.add_row(
                Text(arm, style=COLOURS[arm]),
                f"{figures.requests:,}",
                str(figures.failed),
                str(figures.rescued),
                milliseconds(figures.percentile(0.50)),
                milliseconds(figures.percentile(0.95)),
            )
        ledger = self.ledger
        table.add_row(
            Text("the whole shop", style="bold"),
            f"{ledger.requests:,}",
            str(len(ledger.failures)),
            str(ledger.rescued),
            f"{ledger.requests / max(seconds, 1):.0f}/s",
            f"{len(ledger.orders)} orders",
        )
        return table


def milliseconds(seconds: float | None) -> str:
    """``12.3 ms``, or a dash where there is nothing to show."""
    return "–" if seconds is None else f"{seconds * 1000:.1f} ms"


def photograph(picture: Picture, path: Path) -> None:
    """Keep this frame as an SVG file that asks nobody for its fonts."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True)
        console.print(picture)
    frame = re.sub(r"@font-face\s*{{.*?}}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    console.save_svg(str(path), title="make demo", code_format=frame)
