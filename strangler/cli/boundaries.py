"""The command that lists what crosses a boundary, and cuts it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from strangler.cli import render, session, shapes
from strangler.cli.session import AsJson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strangler.django.boundaries import Crossing, Cut


def boundaries(
    context: typer.Context,
    capability: Annotated[
        str | None, typer.Argument(metavar="CAPABILITY", show_default=False)
    ] = None,
    *,
    cut: Annotated[
        str,
        typer.Option(
            "--cut",
            metavar="APP.MODEL.FIELD",
            help="Write the migration that makes this foreign key a plain column.",
            show_default=False,
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """List the relations of models that cross a capability's boundary, and how to end each.

    A capability's tables can move once no foreign key, many-to-many table or inheritance ties
    them to others. --cut ends a foreign key: it writes a migration that drops the constraint,
    keeps the column, its rows and its index, and can be undone; and it says which lines are to be
    changed by hand. It runs nothing, and changes no code. Exit code 1 says that something still
    keeps the capability from moving, or that a relation can't be cut so.

    \b
    strangler boundaries
    strangler boundaries ordering
    strangler boundaries ordering --cut ordering.Order.customer
    """
    if cut and capability is None:
        raise typer.BadParameter("name the capability, too", param_hint="--cut")
    session.begin(context)
    from strangler.django import boundaries as found
    from strangler.django import conf
    from strangler.django.control_plane import state

    if capability is not None:
        state.capability(capability)
    known = conf.manifest().capabilities
    if cut and capability is not None:
        done = found.cut(known[capability], cut)
        if as_json:
            render.dump(shapes.cut(done))
        else:
            render.say(_cut(done))
        return
    names = [capability] if capability is not None else list(known)
    crossings = [one for name in names for one in found.crossings(known[name])]
    blocked = any(one.blocks for one in crossings)
    if as_json:
        render.dump(shapes.boundaries(crossings))
    elif crossings:
        render.say(_listed(crossings))
    else:
        render.say("no relation crosses a boundary")
    raise typer.Exit(1 if blocked and capability is not None else 0)


def _listed(crossings: Sequence[Crossing]) -> RenderableType:
    grid = render.table("capability", "", "relation")
    for one in crossings:
        text = Text(f"{one.name} → {one.target} ({one.kind})")
        text.append(f"\n{one.remedy}", style="dim")
        blocks = Text("blocks", style="bold red") if one.blocks else Text("code", style="yellow")
        grid.add_row(one.capability, blocks, text)
    return grid


def _cut(done: Cut) -> Text:
    """One text, so that no line of code in it is broken."""
    said = Text("written: ", style="bold").append(f"{done.migration}\n", style="not bold")
    _heading(said, "Before it is run, change the model:")
    for edit in done.edits:
        where = ", in Meta, what has this name or these fields now" if edit.before is None else ""
        said.append(f"  {edit.path}:{edit.line}{where}\n", style="dim")
        for line in (edit.before or "").splitlines():
            said.append(f"    - {line.strip()}\n", style="red")
        said.append(f"    + {edit.after}\n", style="green")
    _heading(said, "Django did this, and does it no more:")
    for note in done.notes:
        said.append(f"  {note}\n")
    if done.uses:
        _heading(said, "These lines may use the relation (templates and SQL were not searched):")
        for use in done.uses:
            said.append(f"  {use.path}:{use.line}: {use.text}\n")
    app = done.crossing.model.partition(".")[0]
    _heading(said, "Then:")
    said.append(f"  manage.py makemigrations --check --dry-run\n  manage.py migrate {app}")
    return said


def _heading(said: Text, words: str) -> None:
    said.append(f"\n{words}\n", style="bold")
