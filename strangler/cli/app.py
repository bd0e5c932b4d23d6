"""The command line, put together.

Exit codes: 0 done, 1 refused or failed, 2 usage, 3 inconclusive.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from strangler.cli import (
    agents,
    boundaries,
    checking,
    clients,
    compiling,
    consuming,
    contracts,
    edges,
    events,
    keys,
    moving,
    problems,
    relaying,
    render,
    sagas,
    transfer,
    usage,
    viewing,
)
from strangler.cli.session import Session

app = typer.Typer(
    name="strangler",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def strangler(
    context: typer.Context,
    *,
    settings: Annotated[
        str | None,
        typer.Option(
            "--settings",
            metavar="MODULE",
            help="The Django settings; else DJANGO_SETTINGS_MODULE, or the nearest pyproject.toml.",
        ),
    ] = None,
    actor: Annotated[
        str | None,
        typer.Option(
            "--actor",
            metavar="WHO",
            help="Whom the history names; else STRANGLER_ACTOR, or who is logged in.",
        ),
    ] = None,
) -> None:
    """Leave a Django monolith one capability at a time, with a way back at every step.

    \b
    strangler check                  is everything ready for a climb?
    strangler status --watch         where does each capability stand?
    strangler advance pricing        one rung up, if its gates are proved
    strangler rollback pricing       and down again, at any time

    Exit codes: 0 done, 1 refused or failed, 2 usage, 3 too little evidence yet.
    """
    context.obj = Session(settings, actor)


for command in (
    viewing.status,
    moving.advance,
    moving.rollback,
    moving.hold,
    moving.resume,
    moving.kill,
    moving.close,
    moving.renew,
    viewing.history,
    viewing.diffs,
    viewing.explain,
    checking.check,
    boundaries.boundaries,
    transfer.mover,
    relaying.relay,
    consuming.consume,
    agents.agent,
    edges.edges,
    moving.publish,
    keys.keys,
):
    app.command()(command)
app.add_typer(transfer.app, name="transfer")
app.add_typer(events.app, name="events")
app.add_typer(compiling.app, name="compile")
app.add_typer(contracts.app, name="contracts")
app.add_typer(clients.app, name="clients")
app.add_typer(sagas.app, name="saga")


@cache
def _built() -> Callable[..., Any]:
    """Once: it takes three times as long as most commands do."""
    return get_command(app)


def run(arguments: Sequence[str], *, program: str = "strangler") -> int:
    """Run one command; returns its exit code."""
    as_json = "--json" in arguments
    if isinstance(sys.stdout, io.TextIOWrapper) and not render.wide():
        sys.stdout.reconfigure(errors="replace")  # a terminal without arrows gets question marks
    try:
        code = _built()(args=list(arguments), prog_name=program, standalone_mode=False)
    except typer.Abort:
        return problems.FAILED
    except TyperException as error:
        return usage.tell(error, as_json=as_json)
    except problems.kinds() as error:
        return problems.tell(error, as_json=as_json)
    return code if isinstance(code, int) else 0
