"""What the shadow has found, as a person sees it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from strangler.cli.render import table

if TYPE_CHECKING:
    from strangler.shadow.report import Finding, Report

EXCERPT = 300
"""Characters shown of a question's body."""


def diffs(report: Report) -> RenderableType:
    """What the shadow has found."""
    if not report.outcomes and not report.rehearsals:
        return Text(f"{report.capability}: the shadow has compared nothing on this rung")
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in report.outcomes.items())
    parts: list[RenderableType] = [
        Text(f"{report.capability}: {report.compared:,} compared ({counts})")
    ]
    if len(report.routes) > 1:
        grid = table("route", "compared", "difference", right=("compared", "difference"))
        for route in report.routes:
            found = sum(n for outcome, n in route.outcomes.items() if outcome == "difference")
            grid.add_row(f"{route.method} {route.route}", f"{route.compared:,}", f"{found:,}")
        parts += ["", grid]
    if report.rehearsals:
        parts += ["", _rehearsals(report)]
    parts += [_finding(one) for one in report.findings]
    if not report.findings:
        parts.append(Text("no difference", style="green"))
    return Group(*parts)


def _rehearsals(report: Report) -> RenderableType:
    """How the rehearsals of commands have ended."""
    grid = table("rehearsed command", "how it ended")
    for route in report.rehearsals:
        counts = (f"{count:,} {outcome}" for outcome, count in route.outcomes.items())
        grid.add_row(f"{route.method} {route.route}", ", ".join(counts))
    return grid


def _finding(one: Finding) -> RenderableType:
    signature = one.signature
    headline = Text(f"\n{signature.digest[:12]}  ", style="dim")
    headline.append(
        f"{signature.method} {signature.route}: {signature.path}",
        style="" if one.explained else "bold red",
    )
    headline.append(f" ({signature.kind}), {one.count:,} times", style="")
    if signature.monolith != signature.service:
        headline.append(f"\n  status {signature.monolith} and {signature.service}", style="")
    if one.explained:
        headline.append(f"\n  explained: {one.explained}", style="green")
    for example in one.examples[:2]:
        if "asked" in example:
            headline.append(f"\n  {example['asked']}", style="dim")
        if example.get("body") is not None:
            headline.append(f"\n    asked     {_excerpt(example['body'])}", style="dim")
        for arm in ("monolith", "service"):
            value = json.dumps(example.get(arm), ensure_ascii=False, default=str)
            headline.append(f"\n    {arm:9} {value}", style="")
    return headline


def _excerpt(body: object) -> str:
    """The question's body, or the size and type of one that was not kept."""
    if not isinstance(body, str):
        body = json.dumps(body, ensure_ascii=False, separators=(",", ":"), default=str)
    return body if len(body) <= EXCERPT else body[: EXCERPT - 1] + "…"
