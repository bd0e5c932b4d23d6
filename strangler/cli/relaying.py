"""The command that carries what was said. With a database's URL it needs no Django."""

from __future__ import annotations

import logging
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from strangler.cli import places, render
from strangler.ports.trust.keys import Keyring

if TYPE_CHECKING:
    from strangler.events.relaying import Relaying


def relay(
    context: typer.Context,
    *,
    database: places.Database = None,
    bus: Annotated[
        str | None,
        typer.Option(
            "--bus",
            envvar="STRANGLER_BUS",
            metavar="URL",
            help="http, redis://… or kafka://…; else what the manifest says.",
            show_default=False,
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--manifest",
            envvar="STRANGLER_MANIFEST",
            metavar="FILE",
            help="Who listens, for the http bus where there is no Django.",
            show_default=False,
        ),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys",
            envvar="STRANGLER_KEYS",
            metavar="FOLDER",
            help="The key that events are handed over with, likewise.",
            show_default=False,
        ),
    ] = None,
    party: Annotated[
        str | None,
        typer.Option("--party", help="Whose key that is, likewise.", show_default=False),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            "--table",
            envvar="STRANGLER_TABLE",
            metavar="FOLDER",
            help="The routing table, which says who owns a listener's rows, likewise.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Carry what was said from the outbox to the bus, until told to stop.

    Run as many as you like: they share the work, and another takes over if one goes. In a Django
    project it carries the events of the project's own databases, and of the services' that the
    mover knows (STRANGLER_<CAPABILITY>_DATABASE); with --database, those of one database, which
    needs no Django. With the http bus it also hands them to whoever listens.

    \b
    strangler relay
    strangler relay --database postgresql://relay@db/catalog --bus redis://redis:6379/0
    """
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    if database is None:
        found = _project(context)
    else:
        keyring = Keyring.load(keys, party) if keys is not None and party is not None else None
        found = [_one(database, bus=bus, manifest=manifest, keyring=keyring, table=table)]

    def end(_number: int, _frame: FrameType | None) -> None:
        for one in found:
            one.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    begun = sum(not one.patient for one in found)
    databases = "1 database" if begun == 1 else f"{begun} databases"
    later = f"; {len(found) - begun} more as soon as it has an outbox" if begun < len(found) else ""
    render.say(f"the relay carries the events of {databases}{later}")
    sys.stdout.flush()
    with ExitStack() as stack:
        for one in found:
            stack.enter_context(one)
        for one in found:
            one.wait()


def _project(context: typer.Context) -> list[Relaying]:
    places.django(context)
    from strangler.django.events import speaking

    return speaking.relaying()


def _one(
    database: str, *, bus: str | None, manifest: Path | None, keyring: Keyring | None,
    table: Path | None,
) -> Relaying:  # fmt: skip
    from strangler.events.relaying import Relaying
    from strangler.manifest import load

    known = load(manifest) if manifest is not None else None
    bus = bus or (known.events.bus if known is not None else None)
    if bus is None:
        raise typer.BadParameter("name the bus, or the manifest that does", param_hint="--bus")
    return Relaying(database, bus=bus, manifest=known, keyring=keyring, table=table)
