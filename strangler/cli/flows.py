"""What a person sees of a capability's rows: how they flow, whether they are the same, freezes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.text import Text

from strangler.cli import render
from strangler.gates import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from strangler.django.transfer.forecasting import Forecast
    from strangler.django.transfer.seeing import Compared, Filling, Reported, Seen, Switched, Wrote
    from strangler.django.transfer.verifying import Result
    from strangler.transfer.protocol import Action

BAR = 30
"""Columns of a bar within a table."""
NAMED = 5
"""Findings, writers and parked keys that are shown."""


LISTED = 20
"""Rows that a verification names; all are counted."""


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error while something long is done; nothing where that is no terminal.

    Gives what is to be called with how much is done, and of how much.
    """
    to = render.console(stderr=True)
    if not to.is_terminal:
        yield lambda _done, _total: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(BAR),
        MofNCompleteColumn(),
        TextColumn("rows"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=to, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def flows(seen: Sequence[Seen]) -> RenderableType:
    """How the rows of each of these flow."""
    if not seen:
        return Text("no capability with tables says in the manifest how its rows map (`transfer`)")
    parts: list[RenderableType] = []
    for one in seen:
        parts += ["", *_flow(one)] if parts else _flow(one)
    return Group(*parts)


def _flow(seen: Seen) -> list[RenderableType]:
    headline = Text(seen.capability, style="bold")
    headline.append(f": {seen.stage}, the {seen.owner} owns, epoch {seen.epoch}", style="not bold")
    parts: list[RenderableType] = [headline]
    parts += [Text(f"  {said}", style="bold red") for said in seen.wrong]
    grid = render.bare(2)
    for name, what in _facts(seen):
        grid.add_row(f"  {name}", what)
    if grid.row_count:
        parts.append(grid)
    return parts


def _facts(seen: Seen) -> Iterator[tuple[str, RenderableType]]:
    if seen.flows:
        holder = seen.holder
        yield "mover", f"{holder.name}, heard {_ago(holder.age)}" if holder else "none"
    report = seen.report
    if seen.flows and report is not None:
        yield "on their way", _on_their_way(report)
        yield "lag", _lag(report)
        yield from _backfill(seen, report.backfill)
        if report.parked:
            yield "parked", _parked(report)
    if seen.verified is not None:
        yield "verified", _verified(seen.verified)
    if seen.writers:
        yield "writers", _writers(seen.writers)
    if seen.switches:
        yield "freezes", _switches(seen.switches)


def _on_their_way(report: Reported) -> str:
    said = f"{report.pending:,} dirty keys"
    if report.pending:
        said += f", the oldest for {duration(report.oldest)}"
    return f"{said}; {report.rate:,.0f} a second, {report.carried:,} in all"


def _lag(report: Reported) -> str:
    if report.lag is None:
        return "not known yet"
    return f"{render.latency(report.lag)} for 99 of 100 rows"


def _backfill(seen: Seen, filling: Filling | None) -> Iterator[tuple[str, RenderableType]]:
    if filling is None:
        yield "backfill", "done" if seen.backfilled else "to be done"
        return
    left = f"{duration(filling.left)} left" if filling.left is not None else "nobody knows how long"
    said = (
        f"{filling.enqueued:,} of about {filling.total:,} rows, {filling.rate:,.0f} rows/s, {left}"
    )
    if render.console().is_terminal:
        bar = ProgressBar(total=max(filling.total, 1), completed=filling.enqueued, width=BAR)
        yield "backfill", Group(bar, Text(said))
    else:
        yield "backfill", said


def _parked(report: Reported) -> Text:
    text = Text(f"{report.parked:,} keys could not be applied", style="bold red")
    for table, key, reason in report.stuck:
        text.append(f"\n{table} {key}: {reason}", style="not bold default")
    if report.parked > len(report.stuck):
        text.append("\n…", style="not bold default")
    return text


def _verified(found: Compared) -> Text:
    at = found.at.strftime("%m-%d %H:%M:%S")
    under = "" if found.current else ", under another owner"
    if not found.differing:
        said = f"{at}: {found.rows:,} rows are the same on both sides{under}"
        return Text(said, style="" if found.current else "dim")
    text = Text(f"{at}: {found.differing:,} of {found.rows:,} rows differ{under}", style="bold red")
    for one in found.findings[:NAMED]:
        said = f"\n{one['kind']} {one['table']} {', '.join(one['key'])}{_why(one)}"
        text.append(said, style="not bold default")
    if found.differing > NAMED:
        text.append("\n…", style="not bold default")
    return text


def _why(finding: dict[str, object]) -> str:
    columns, reason = finding["columns"], finding["reason"]
    if isinstance(columns, list) and columns:
        return f": {', '.join(columns)}"
    return f": {reason}" if reason else ""


def _writers(writers: Sequence[Wrote]) -> Text:
    past = [one for one in writers if not one.door]
    through = sum(one.keys for one in writers if one.door)
    text = Text(f"{through:,} keys by the door")
    for one in past[:NAMED]:
        at = one.last.strftime("%m-%d %H:%M:%S")
        name = one.name or "somebody unnamed"
        text.append(f"\n{one.keys:,} past the door by {name}, last {at}", style="bold red")
    if len(past) > NAMED:
        text.append(f"\nand {len(past) - NAMED} more past the door", style="bold red")
    return text


def _switches(switches: Sequence[Switched]) -> Table:
    grid = render.bare(3)
    for one in switches:
        steps = ", ".join(
            f"{name} {render.latency(seconds)}"
            for name, seconds in sorted(one.steps, key=lambda step: -step[1])[:3]
        )
        at = one.at.strftime("%m-%d %H:%M:%S")
        grid.add_row(render.latency(one.freeze), at, Text(steps, style="dim"))
    return grid


def verification(capability: str, found: Result) -> RenderableType:
    """What a whole verification found."""
    took = f"{found.rows:,} rows in {duration(found.seconds)}"
    if found.resumed:
        took += f" ({found.resumed:,} of them before, by one that broke off)"
    if not found.findings:
        said = f"{capability}: {took}, the same on both sides"
        return Text(said, style="green")
    counts = Counter((one.table, one.kind) for one in found.findings)
    said = ", ".join(f"{count:,} {kind} in {table}" for (table, kind), count in counts.items())
    grid = render.table("", "row", "why")
    for one in found.findings[:LISTED]:
        why = ", ".join(one.columns) or one.reason
        grid.add_row(Text(one.kind, style="bold red"), f"{one.table} {_key(one.key)}", why)
    parts: list[RenderableType] = [Text(f"{capability}: {took}, and not the same: {said}"), grid]
    if len(found.findings) > LISTED:
        parts.append(Text("… --json lists all of them", style="dim"))
    return Group(*parts)


def _key(key: tuple[object, ...]) -> str:
    return ", ".join(map(str, key))


def forecast(found: Forecast) -> RenderableType:
    """What a change of owner would take."""
    grid = render.table("step", "takes", "", right=("takes",))
    for one in found.steps:
        known = "measured" if one.measured else "as at the last change of owner"
        if one.seconds is None:
            known = "not known before the first change of owner"
        grid.add_row(str(one.action), render.latency(one.seconds), Text(known, style="dim"))
    said = Text(f"{found.capability}: commands would wait for about ")
    said.append(render.latency(found.freeze), style="bold")
    said.append(f", of {found.budget:g} s at most")
    if not found.fits:
        said.append(": that is too long, and would be undone", style="bold red")
    return Group(grid, "", said)


def repaired(capability: str, done: Sequence[Action]) -> RenderableType:
    """What a repair took."""
    return Text(f"{capability}: {', '.join(done) or 'nothing was half done'}")


def frozen(capability: str, seconds: float) -> RenderableType:
    """For how long a change of owner made commands wait."""
    return Text(f"{capability}: commands waited for {render.latency(seconds)} at most", style="dim")


def _ago(seconds: float) -> str:
    return f"{duration(seconds)} ago"
