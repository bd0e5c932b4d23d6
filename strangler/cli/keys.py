"""Making the keys by which kit parties know one another."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from strangler.cli import render, session
from strangler.cli.project import ProjectNotFound
from strangler.cli.session import AsJson
from strangler.ports.trust import secret
from strangler.ports.trust.keys import generate
from strangler.routing.news import EDGE


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

    A party is the monolith, a capability's service, or edge: what stands in front. Each process
    gets its own private key, and everybody's public ones. With those of edge comes edge.secret, by
    which the monolith, which has it too, knows what stands in front of it.

    \b
    strangler keys monolith pricing
    strangler keys pricing --folder /run/keys
    """
    wanted = list(dict.fromkeys(party))
    try:
        session.begin(context)
    except ProjectNotFound:
        if folder is None:
            raise
    else:
        from strangler.django import conf

        folder = folder or conf.settings().keys
        refuse_strangers(wanted, (conf.settings().party, *conf.manifest().capabilities, EDGE))
    made = [one for one in wanted if _made(folder, one)]
    if as_json:
        render.dump({"folder": str(folder), "parties": wanted, "made": made})
        return
    there = [one for one in wanted if one not in made]
    if made:
        render.say(f"made the keys of {', '.join(made)} in {folder}")
    if there:
        render.say(f"the keys of {', '.join(there)} were there already, in {folder}")


def _made(folder: Path, party: str) -> bool:
    try:
        if party == EDGE:
            secret.make(folder)
        return generate(folder, party)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="PARTY") from error


def refuse_strangers(wanted: list[str], known: Sequence[str], *, hint: str = "PARTY") -> None:
    """Say which of these there is not.

    Raises:
        BadParameter: there is one.
    """
    for one in wanted:
        if one not in known:
            near = get_close_matches(one, known, n=1)
            meant = f"do you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise typer.BadParameter(f"nobody here is called {one!r}: {meant}", param_hint=hint)
