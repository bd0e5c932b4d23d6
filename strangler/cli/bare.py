"""The command line where there is no Django: on the host of an edge, or of a service."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from strangler.agent.configuring import NotConfigured
from strangler.cli import agents, events, relaying, render, usage
from strangler.cli.session import AsJson, Name
from strangler.events.buses import BadBus
from strangler.events.stores import StoreError
from strangler.ladder import IllegalMove
from strangler.manifest import ManifestErrors, load
from strangler.ports.trust.keys import KeysUnusable
from strangler.routing import killing
from strangler.routing.nginx import CannotCompile
from strangler.routing.publish import PublishFailed
from strangler.routing.table import TableUnusable

FAILED = 1
app = typer.Typer(
    name="strangler",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="What is done beside an edge or a service, without Django.",
)
app.command()(agents.agent)
app.command()(relaying.relay)
app.add_typer(events.app, name="events")


@app.command()
def kill(
    capability: Name,
    *,
    local: Annotated[
        bool, typer.Option("--local", help="Only this host's routing table: say so.")
    ] = False,
    table: Annotated[
        Path,
        typer.Option("--table", envvar="STRANGLER_TABLE", metavar="FOLDER", show_default=False),
    ],
    manifest: Annotated[
        Path, typer.Option("--manifest", envvar="STRANGLER_MANIFEST", metavar="FILE")
    ] = Path("router/capabilities.toml"),
    as_json: AsJson = False,
) -> None:
    """Send a capability's queries to the monolith at once, and its commands to their owner.

    By this host's routing table alone, whoever else can be reached. Repeat it, without --local,
    where the control plane is; until then that refuses every other move.

    \b
    strangler kill pricing --local
    """
    if not local:
        raise typer.BadParameter(
            "there is no Django here, so only this host's table can be changed: say --local",
            param_hint="kill",
        )
    known = load(manifest, os.environ)
    if capability not in known.capabilities:
        there = ", ".join(known.capabilities) or "none"
        raise typer.BadParameter(f"the manifest has {there}", param_hint="CAPABILITY")
    together = known.together(capability)
    done = killing.kill(table, capability, together=together, groups=known.groups)
    if as_json:
        before, after = str(done.before), str(done.after)
        render.dump({"before": before, "after": after, "revision": done.revision})
    elif done.before == done.after:
        render.say(f"{capability}: {done.after} already; nothing to kill")
    else:
        render.say(f"{', '.join(together)}: {done.after}, revision {done.revision} on this host")


ANSWERS = (
    BadBus,
    CannotCompile,
    IllegalMove,
    KeysUnusable,
    ManifestErrors,
    NotConfigured,
    PublishFailed,
    StoreError,
    TableUnusable,
)
"""The errors that are answers, and no faults of this program."""


def run(arguments: Sequence[str], *, program: str = "strangler") -> int:
    """Run one command; returns its exit code."""
    as_json = "--json" in arguments
    try:
        code = app(args=list(arguments), prog_name=program, standalone_mode=False)
    except typer.Abort:
        return FAILED
    except TyperException as error:
        return usage.tell(error, as_json=as_json)
    except ANSWERS as error:
        if as_json:
            render.dump({"error": type(error).__name__, "message": str(error)})
        else:
            render.complain(str(error))
        return FAILED
    return code if isinstance(code, int) else 0
