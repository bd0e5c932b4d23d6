"""The commands about rows: the mover, and what it does for one capability."""

from __future__ import annotations

import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live

from strangler.cli import flows, render, session, shapes
from strangler.cli.session import AcceptLoss, AsJson, Name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strangler.django.transfer.seeing import Seen
    from strangler.manifest import Capability

EVERY = 1.0
"""Seconds between two looks of ``status --watch``."""

app = typer.Typer(
    name="transfer",
    help="See, verify, rehearse and repair how a capability's rows flow.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def mover(
    context: typer.Context,
    capability: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CAPABILITY]...",
            help="Only of these; else of all that have a map, and a database that is named here.",
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

    chosen = [state.capability(name) for name in capability or ()]
    if not chosen:
        chosen, problems = running.ready()
        for problem in problems:
            render.complain(problem)
        if not chosen:
            render.complain("there is nothing to carry")
            raise typer.Exit(1)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    render.say(f"the mover carries {', '.join(one.name for one in chosen)}")
    sys.stdout.flush()
    running.run(chosen, stop)


@app.command()
def status(
    context: typer.Context,
    capability: Annotated[
        str | None, typer.Argument(metavar="CAPABILITY", show_default=False)
    ] = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every second.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show who owns the rows, how they flow, who writes them, and the last freezes.

    Exit code 1 says that somebody has to see to something: no mover runs, rows are parked, or
    differ, or triggers are gone.

    \b
    strangler transfer status
    strangler transfer status catalog --watch
    strangler transfer status catalog --json
    """
    session.begin(context)
    from strangler.django.control_plane import state
    from strangler.django.transfer import running

    chosen = [state.capability(capability)] if capability else running.movable()
    if not watch:
        seen = _see(chosen)
        if as_json:
            render.dump(shapes.flows(seen))
        else:
            render.say(flows.flows(seen))
        raise typer.Exit(1 if any(one.wrong for one in seen) else 0)
    try:
        if as_json:
            while True:
                render.dump_line(shapes.flows(_see(chosen)))
                time.sleep(EVERY)
        with Live(console=render.console(), screen=False, auto_refresh=False) as live:
            while True:
                live.update(flows.flows(_see(chosen)), refresh=True)
                time.sleep(EVERY)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _see(chosen: Sequence[Capability]) -> list[Seen]:
    from strangler.django.control_plane import ledger
    from strangler.django.transfer import seeing

    with ledger.reaching():
        return [seeing.see(one) for one in chosen]


@app.command()
def verify(context: typer.Context, capability: Name, *, as_json: AsJson = False) -> None:
    """Compare every row on both sides, while they flow; name those that differ.

    Exit code 1 says that some do. One that breaks off is gone on with by the next, within ten
    minutes, if the owner, the tables and the maps are still the same.

    \b
    strangler transfer verify catalog
    """
    session.begin(context)
    from strangler.django.control_plane import state
    from strangler.django.transfer import verifying

    with flows.progress(f"comparing {capability}") as show:
        found = verifying.verify(
            state.capability(capability), progress=lambda at: show(at.rows, at.total)
        )
    if as_json:
        render.dump(shapes.verification(capability, found))
    else:
        render.say(flows.verification(capability, found))
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
    """Measure on the live system what a change of owner would take: drain, door, locks.

    Commands wait for as long as it takes to get the door and the tables' locks, and go on at once.
    Exit code 1 says that the freeze would be longer than its budget, or could not begin at all.
    The change itself is a move of the ladder: strangler advance, strangler rollback.

    \b
    strangler transfer switch catalog --dry-run
    """
    if not dry_run:
        raise typer.BadParameter(
            "rows change owner by a move of the ladder: strangler advance CAPABILITY --to live. "
            "Here it is only rehearsed: --dry-run",
            param_hint="--dry-run",
        )
    session.begin(context)
    from strangler.django.control_plane import state
    from strangler.django.transfer import forecasting

    found = forecasting.forecast(state.capability(capability))
    if as_json:
        render.dump(shapes.forecast(found))
    else:
        render.say(flows.forecast(found))
    raise typer.Exit(0 if found.fits else 1)


@app.command()
def repair(
    context: typer.Context,
    capability: Name,
    *,
    accept_loss: AcceptLoss = False,
    as_json: AsJson = False,
) -> None:
    """Put right a change of owner that its mover has left half done.

    Back before the decision, forward after it. A running mover does this by itself. Both databases
    are needed; with --accept-loss, the end of a rollback with --accept-loss that broke off is made
    up for without the service's.

    \b
    strangler transfer repair catalog
    """
    session.begin(context)
    from strangler.django.control_plane import state
    from strangler.django.transfer import losing, moving

    mend = losing.mend if accept_loss else moving.mend
    done = mend(state.capability(capability))
    if as_json:
        render.dump({"capability": capability, "done": [str(action) for action in done]})
    else:
        render.say(flows.repaired(capability, done))
