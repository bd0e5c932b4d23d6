"""Making the keys by which kit parties know one another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from strangler.cli import render, session
from strangler.cli.session import AsJson
from strangler.ports.trust.keys import generate


def keys(
    context: typer.Context,
    party: Annotated[list[str], typer.Argument(metavar="PARTY", show_default=False)],
    *,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Where to; else STRANGLER['KEYS'].", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a pair of keys for each of these parties; a pair that is there is left alone.

    A party is the monolith, or a capability's service. Each process gets its own private key, and
    everybody's public ones.

    \b
    strangler keys monolith pricing
    strangler keys pricing --folder /run/keys
    """
    if folder is None:
        session.begin(context)
        from strangler.django import conf

        folder = conf.settings().keys
    for one in party:
        try:
            generate(folder, one)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="PARTY") from error
    if as_json:
        render.dump({"folder": str(folder), "parties": party})
    else:
        render.say(f"keys of {', '.join(party)} are in {folder}")
