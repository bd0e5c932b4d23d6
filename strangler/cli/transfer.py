"""The commands about rows: the mover, and what it does for one capability."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer

from strangler.cli import render, session, shapes
from strangler.cli.session import AsJson, Name

app = typer.Typer(
    name="transfer",
    help="See, verify, rehearse and repair how a capability's rows flow.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def mover(
    context: typer.Context,
    capabilities: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CAPABILITY]...", help="Only of these; of all that have a map, otherwise."
        ),
    ] = None,
) -> None:
    """Carry rows between the monolith's database and the services', until told to stop.

    Run as many as you like, anywhere: one of them is active for each capability, by lease, and
    another takes over if it goes. It needs STRANGLER_<CAPABILITY>_DATABASE, the URL of each
    service's database, and STRANGLER_MOVER_DATABASE where its way to the monolith's is not Django's
    own.

    \b
    strangler mover
    strangler mover catalog
    """
    session.begin(context)
    from strangler.django.control_plane import state
    from strangler.django.transfer import running

    chosen = [state.capability(name) for name in capabilities or ()] or running.movable()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    names = ", ".join(one.name for one in chosen) or "nothing: no capability has a map"
    render.say(f"The mover carries {names}.")
    running.run(chosen, stop)


@app.command()
def status(
    context: typer.Context,
    capability: Annotated[str | None, typer.Argument(metavar="[CAPABILITY]")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show who owns the rows, how they flow, who writes them, and the last freezes.

    \b
    strangler transfer status
    strangler transfer status catalog --json
    """
    session.begin(context)
    from strangler.django.control_plane import ledger, state
    from strangler.django.transfer import running, seeing

    chosen = [state.capability(capability)] if capability else running.movable()
    with ledger.reaching():
        seen = [seeing.see(one) for one in chosen]
    if as_json:
        render.dump([shapes.flow(one) for one in seen])
    else:
        render.say(render.flows(seen))


@app.command()
def verify(context: typer.Context, capability: Name, *, as_json: AsJson = False) -> None:
    """Compare every row on both sides, while they flow; name those that differ.

    Exit code 1 says that some do.

    \b
    strangler transfer verify catalog
    """
    session.begin(context)
    from strangler.django.control_plane import state
    from strangler.django.transfer import verifying

    with render.progress(f"comparing {capability}") as bar:
        found = verifying.verify(
            state.capability(capability), progress=lambda at: bar(at.rows, at.total)
        )
    if as_json:
        render.dump(shapes.verification(capability, found))
    else:
        render.say(render.verification(capability, found))
    raise typer.Exit(1 if found.findings else 0)


@app.command()
def switch(
    context: typer.Context,
    capability: Name,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Measure, and change nothing. Required.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure on the live system what a change of owner would take: locks, drain, freeze.

    Commands wait for as long as it takes to get the door and the tables' locks, and go on at once.
    The change itself is a move of the ladder: strangler advance, strangler rollback.

    \b
    strangler transfer switch catalog --dry-run
    """
    if not dry_run:
        raise typer.BadParameter(
            "rows change owner by a move of the ladder: strangler advance CAPABILITY --to live. "
            "Here it is only rehearsed: --dry-run"
        )
    session.begin(context)
    from strangler.django.control_plane import state
    from strangler.django.transfer import moving

    timings = moving.dry_run(state.capability(capability))
    if as_json:
        render.dump(shapes.rehearsal(capability, timings))
    else:
        render.say(render.rehearsal(capability, timings))


@app.command()
def repair(context: typer.Context, capability: Name, *, as_json: AsJson = False) -> None:
    """Put right a change of owner that its mover has left half done.

    Back before the decision, forward after it. A running mover does this by itself.

    \b
    strangler transfer repair catalog
    """
    session.begin(context)
    from strangler.django.control_plane import state
    from strangler.django.transfer import moving

    done = moving.mend(state.capability(capability))
    if as_json:
        render.dump({"capability": capability, "done": [str(action) for action in done]})
    else:
        said = ", ".join(done) if done else "nothing was half done"
        render.say(f"{capability}: {said}")
