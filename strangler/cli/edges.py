"""Agents: what they have made of a move, and which there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from strangler.cli import render, session, shapes
from strangler.cli.session import AsJson
from strangler.gates import duration

if TYPE_CHECKING:
    from rich.table import Table

    from strangler.django.agents.registry import Known
    from strangler.django.agents.waiting import Applied


def edges(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Which agents follow the control plane, and how far each has come.

    An agent that has ended says so, and is not named any more; one that has vanished is, for an
    hour. Nobody waits for it.
    """
    session.begin(context)
    from strangler.django.agents import registry
    from strangler.django.control_plane import ledger, state

    with ledger.reaching():
        revision, seen = state.revision(), registry.seen()
    if as_json:
        render.dump({"revision": revision, "agents": [shapes.agent(one) for one in seen]})
    elif not seen:
        render.say("no agent follows the control plane: strangler agent --help")
    else:
        render.say(_listed(seen, revision))


def _listed(seen: Sequence[Known], revision: int) -> Table:
    grid = render.table("agent", "edge", "revision", "heard", "", right=("revision",))
    for one in seen:
        grid.add_row(
            one.id,
            one.edge,
            str(one.table or "none"),
            f"{duration(one.age)} ago",
            _standing(one, revision),
        )
    return grid


def _standing(one: Known, revision: int) -> Text:
    if not one.alive:
        return Text("away", style="yellow")
    if one.refused:
        return Text(one.refused, style="red")
    if one.table > revision:
        from strangler.django.agents.waiting import AHEAD

        return Text(AHEAD, style="red")
    if one.table < revision:
        return Text("behind", style="yellow")
    return Text("up to date", style="green")


def told(done: Applied | None) -> Iterator[Text]:
    """What a person hears of the agents after a move; nothing where there are none."""
    if done is None:
        return
    alive = (*done.applied, *done.refused, *done.late)
    for what, some in (
        ("edges", [one for one in alive if one.edge]),
        ("tables beside services", [one for one in alive if not one.edge]),
    ):
        if some:
            there = sum(one in done.applied for one in some)
            style = "" if there == len(some) else "yellow"
            said = f"applied by {there} of {len(some)} {what}, {render.latency(done.seconds)}"
            yield Text(said, style=style)
    for one in done.refused:
        yield Text(f"{one.id} refuses: {one.refused}", style="red")
    for one in done.late:
        yield Text(f"{one.id} has not said anything yet: see strangler edges", style="yellow")
    for one in done.away:
        yield Text(f"{one.id} is away since {duration(one.age)}; nobody waits for it", style="dim")
