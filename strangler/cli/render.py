"""What a person sees: tables of at most 80 columns, colours on a terminal only."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from strangler.gates import Outcome, Verdict, duration
from strangler.ladder import Arm, Standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strangler.django.control_plane.evidence import ArmReport
    from strangler.django.control_plane.explaining import Explanation
    from strangler.django.control_plane.ledger import Moved
    from strangler.django.control_plane.overview import Overview, Row
    from strangler.django.models import Change

ROOMY = 60
"""Columns from which what a move waits for stands beside it."""
SPARE = ("since", "owner", "p95", "requests", "errors", "arm")
"""The columns of ``status`` that a narrow terminal does without, in this order."""
COLOURS = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "bold red",
    Outcome.INCONCLUSIVE: "yellow",
}


def console(*, stderr: bool = False) -> Console:
    """Where to print to; looked up anew, since a test may have put another stream there."""
    return Console(
        file=sys.stderr if stderr else sys.stdout, highlight=False, soft_wrap=False, markup=False
    )


def say(what: RenderableType) -> None:
    """Print to standard output."""
    _print(console(), what)


def complain(what: RenderableType) -> None:
    """Print to standard error."""
    _print(console(stderr=True), what)


def _print(to: Console, what: RenderableType) -> None:
    # A sentence is wrapped by the terminal, if at all: so paths in it can be copied, or looked for.
    sentence = isinstance(what, str | Text)
    if to.is_terminal:
        to.print(what, soft_wrap=sentence, crop=False)
        return
    with to.capture() as captured:
        to.print(what, soft_wrap=sentence, crop=False)
    # Rich fills every cell with spaces, which nobody wants in a file or a pipe.
    lines = [line.rstrip() for line in captured.get().splitlines()]
    to.file.write("\n".join(lines) + "\n")


def dump(data: Any) -> None:
    """Print JSON to standard output."""
    sys.stdout.write(_json(data, indent=2) + "\n")


def dump_line(data: Any) -> None:
    """Print JSON on one line, at once."""
    sys.stdout.write(_json(data) + "\n")
    sys.stdout.flush()


def _json(data: Any, indent: int | None = None) -> str:
    return json.dumps(data, indent=indent, ensure_ascii=not wide(), default=str)


def wide() -> bool:
    """Can standard output say every character?"""
    return (sys.stdout.encoding or "").lower().startswith("utf")


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """An empty table without lines; ``right`` names the columns of numbers."""
    grid = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for name in columns:
        number = name in right
        justify: JustifyMethod = "right" if number else "left"
        grid.add_column(name, justify=justify, no_wrap=number, overflow="fold")
    return grid


def bare(columns: int) -> Table:
    """An empty table without lines and headings."""
    grid = Table(box=None, padding=(0, 2, 0, 0), show_header=False, pad_edge=False)
    for _ in range(columns):
        grid.add_column(overflow="fold")
    return grid


def overview(seen: Overview) -> RenderableType:
    """All capabilities, and below them what each one's next move waits for."""
    parts: list[RenderableType] = [Text(_headline(seen), style="dim")]
    warnings = [said for said in (seen.problem, seen.lag) if said]
    parts += [Text(said, style="bold yellow", overflow="ignore") for said in warnings]
    width = console().width
    parts += ["", _standings(seen, width)]
    waiting = [row for row in seen.rows if row.next is not None or row.standing.killed]
    if waiting:
        ahead = table("next", "waits for") if width >= ROOMY else bare(1)
        for row in sorted(waiting, key=lambda row: row.stays):
            name, missing = _next(row)
            if width >= ROOMY:
                ahead.add_row(name, missing)
            else:
                ahead.add_row(Text(f"{name}: ", style="bold").append_text(missing))
        parts += ["", ahead]
    return Group(*parts)


def _headline(seen: Overview) -> str:
    if seen.revision is None:
        return "the routing table alone, without the database:"
    if seen.revision == 0:
        return "no capability has moved yet"
    return f"revision {seen.revision}" + ("" if seen.lag else ", routing table in step")


def _standings(seen: Overview, width: int) -> Table:
    """As many columns as fit."""
    numbers = ("requests", "errors", "p95")
    columns = ["capability", "stage", "owner", "since", "arm", *numbers]
    rows = [_cells(row, seen.at) for row in seen.rows]
    for spare in ("", *SPARE):
        columns = [name for name in columns if name != spare]
        grid = table(*columns, right=numbers)
        for cells in rows:
            grid.add_row(*(cells[name] for name in columns))
        if grid.__rich_measure__(console(), console().options.update(width=1000)).maximum <= width:
            break
    return grid


def _cells(row: Row, now: datetime) -> dict[str, RenderableType]:
    used = [(arm, report) for arm, report in row.arms.items() if report.requests]
    shut = row.standing.killed or row.standing.closed or row.killed_here
    style = "bold red" if shut else ""
    return {
        "capability": row.capability,
        "stage": Text(_standing(row), style=style),
        "owner": row.standing.owner.value,
        "since": duration((now - row.since).total_seconds()) if row.since else "-",
        "arm": "\n".join(arm.value for arm, _ in used) or "-",
        "requests": "\n".join(f"{report.requests:,}" for _, report in used),
        "errors": Text("\n").join(_errors(report) for _, report in used),
        "p95": "\n".join(latency(report.quantile(0.95)) for _, report in used),
    }


def _standing(row: Row) -> str:
    standing = row.standing
    overlays = standing.overlays
    if row.killed_here:
        overlays.append("killed here")
    percent = f" {standing.percent} %" if standing.percent else ""
    return f"{standing.stage}{percent}" + "".join(f"\n{name}" for name in overlays)


def _errors(report: ArmReport) -> Text:
    return Text(f"{report.counts.rate * 100:.3g} %", style="red" if report.failures else "")


def latency(seconds: float | None) -> str:
    """Seconds as a person reads latencies: ``0.4 ms``, ``12 ms``, ``1.3 s``."""
    if seconds is None:
        return "-"
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"


def _next(row: Row) -> tuple[str, Text]:
    """The next move, and what it waits for."""
    if row.standing.killed:
        remedy = f"strangler resume {row.capability}"
        return f"{row.capability}, killed", Text(remedy, style="bold red")
    after = row.next.after if row.next else row.standing
    percent = f" {after.percent} %" if after.percent else ""
    missing = [
        Text(f"{verdict.gate}: {verdict.message}", style=COLOURS[verdict.outcome])
        for verdict in row.waits_for
    ]
    if row.stays:
        missing = [Text("no move yet: nothing says how its rows map", style="dim")]
    name = f"{row.capability} → {after.stage}{percent}"
    return name, Text("\n").join(missing) or Text("nothing: advance", style="green")


_DONE = {
    "hold": "held on {}",
    "kill": "killed on {}",
    "close": "closed on {}",
    "resume": "resumed on {}",
    "renew": "evidence begun anew on {}",
    "explain": "difference explained on {}",
}
"""What was done, where the rung is still the same."""


def moved(done: Moved, action: str) -> RenderableType:
    """What a move has done."""
    if not done.together:
        return Text(f"{done.capability}: {done.after} already; nothing to {action}")
    text = Text(f"{done.capability}: ")
    if action in _DONE:
        rung = Standing(done.after.stage, done.after.percent)
        text.append(_DONE[action].format(rung), style="bold")
    else:
        text.append(f"{done.before} → {done.after}", style="bold")
        text.append(f", {action}")
    text.append(f", revision {done.revision}")
    others = [name for name in done.together if name != done.capability]
    if others:
        text.append(f", together with {', '.join(others)}")
    if done.forced:
        text.append("\nforced, without what these gates want:", style="yellow")
        missing = [one for one in done.verdicts if one.outcome is not Outcome.PASSED]
        return Group(text, verdicts(missing))
    return text


def verdicts(said: Sequence[Verdict]) -> Table:
    """What the gates said, worst first."""
    order = [Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.PASSED]
    grid = bare(3)
    for verdict in sorted(said, key=lambda one: order.index(one.outcome)):
        grid.add_row(
            Text(f"  {verdict.outcome}", style=COLOURS[verdict.outcome]),
            verdict.gate.value,
            Text(verdict.message),
        )
    return grid


def history(changes: Sequence[Change]) -> RenderableType:
    """Changes, newest first."""
    grid = table("rev", "at (UTC)", "capability", "change", "by", right=("rev",))
    for one in changes:
        what = Text(_change(one))
        if one.forced:
            what.append(" (forced)", style="yellow")
        if one.reason:
            what.append(f"\n{one.reason}", style="dim")
        at = one.at.astimezone(UTC).strftime("%m-%d %H:%M:%S")
        grid.add_row(str(one.revision), at, one.capability or "-", what, one.actor)
    return grid


def _change(one: Change) -> str:
    if not one.after or one.before == one.after:
        return one.action
    before, after = (
        str(Standing(**{**standing, "stage": _stage(standing)}))
        for standing in (one.before, one.after)
    )
    return f"{one.action}: {before} → {after}"


def _stage(standing: dict[str, Any]) -> Any:
    return type(Standing().stage)(standing["stage"])


def explanation(one: Explanation) -> RenderableType:
    """Where a request would go, and why."""
    arm = one.arm.value if one.arm else "refused"
    headline = Text(f"{one.method} {one.path} → ")
    headline.append(arm, style="bold cyan" if one.arm is Arm.SERVICE else "bold")
    grid = bare(2)
    grid.add_row("because", one.because)
    if one.capability is not None:
        grid.add_row("capability", f"{one.capability}, by the route {one.route}")
        grid.add_row("kind", str(one.kind))
        source = {"drawn": "drawn: the client shows nothing to keep it by", "given": "as given"}
        origin = source.get(str(one.cohort_from), f"from {one.cohort_from}")
        grid.add_row("cohort", f"{one.cohort}, {origin}")
    if one.entry is not None:
        grid.add_row("stage", str(one.entry.standing))
    return Group(headline, grid)
