"""The command that looks for everything that would make a climb fail."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer
from rich.text import Text

from strangler.cli import render, session
from strangler.cli.session import AsJson


def check(
    context: typer.Context,
    capability: Annotated[
        str | None, typer.Argument(metavar="CAPABILITY", show_default=False)
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Look for everything that would make a climb fail: all of it at once.

    Settings, manifest, middleware, contracts (frozen against code), database, routing table, keys,
    sagas that are stuck, and whether services answer. With a capability, whatever is in its way is
    an error; without one, what is in the way of those that have not begun to climb is a warning.

    \b
    strangler check
    strangler check pricing
    """
    session.begin(context)
    from strangler.django.control_plane.inspection import Level, inspect

    found = inspect(capability)
    errors = [one for one in found if one.level is Level.ERROR]
    if as_json:
        render.dump({"ok": not errors, "findings": [dataclasses.asdict(one) for one in found]})
    elif found:
        grid = render.table("", "about", "found")
        for one in found:
            style = "bold red" if one.level is Level.ERROR else "yellow"
            text = Text(f"{one.capability}: {one.message}" if one.capability else one.message)
            if one.remedy:
                text.append(f"\n{one.remedy}", style="dim")
            grid.add_row(Text(one.level, style=style), one.about, text)
        render.say(grid)
    else:
        render.say("all is well")
    raise typer.Exit(1 if errors else 0)
