"""The clients that capabilities know by an API key: who has one, and who no more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from strangler.cli import render, session
from strangler.cli.keys import refuse_strangers
from strangler.cli.project import ProjectNotFound
from strangler.cli.session import AsJson
from strangler.ports.trust import clients as known

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Give clients keys for the capabilities that want one, and take them away.",
)

Folder = Annotated[
    Path | None,
    typer.Option("--folder", help="Where they are; else STRANGLER['KEYS'].", show_default=False),
]


@app.callback()
def clients() -> None:
    """Give clients keys for the capabilities that want one, and take them away.

    They are kept in clients.json, without any key itself. Bring it to every edge, beside
    edge.secret: the agent there notices within five seconds.
    """


@app.command()
def add(
    context: typer.Context,
    client: Annotated[str, typer.Argument(metavar="CLIENT", show_default=False)],
    *,
    capability: Annotated[
        list[str] | None,
        typer.Option(
            "--capability",
            metavar="CAPABILITY",
            help="What it opens, else everything; may be given several times.",
            show_default=False,
        ),
    ] = None,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Make a key for a client, beside those that it has; it is shown this once.

    To change one: add, let the client use the new one, and revoke the old.

    \b
    strangler clients add acme
    strangler clients add acme --capability pricing
    """
    opens = list(dict.fromkeys(capability or ()))
    folder = _folder(context, folder, opens)
    try:
        key, text = known.add(folder, client, opens)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="CLIENT") from error
    if as_json:
        render.dump({"key": text, **_shape(key)})
        return
    render.say(text)
    render.complain(f"this key of {client} is shown only now; its number is {key.known}")


@app.command("list")
def listed(context: typer.Context, *, folder: Folder = None, as_json: AsJson = False) -> None:
    """Which keys hold."""
    keys = known.read(_folder(context, folder, []))
    if as_json:
        render.dump({"keys": [_shape(one) for one in keys]})
        return
    if not keys:
        render.say("no client has a key: strangler clients add --help")
        return
    grid = render.table("key", "opens", "made")
    for one in keys:
        grid.add_row(one.known, ", ".join(one.capabilities) or "everything", one.made)
    render.say(grid)


@app.command()
def revoke(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="CLIENT[.ID]", show_default=False)],
    *,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Let a client's keys hold no more, or only the one with this number.

    \b
    strangler clients revoke acme
    strangler clients revoke acme.1f0c9a2e
    """
    gone = known.revoke(_folder(context, folder, []), name)
    if not gone:
        raise typer.BadParameter(f"nobody has a key {name!r}", param_hint="CLIENT")
    if as_json:
        render.dump({"revoked": [_shape(one) for one in gone]})
        return
    render.say(f"revoked {', '.join(one.known for one in gone)}")


def _folder(context: typer.Context, folder: Path | None, opens: list[str]) -> Path:
    try:
        session.begin(context)
    except ProjectNotFound:
        if folder is None:
            raise
        return folder
    from strangler.django import conf

    refuse_strangers(opens, tuple(conf.manifest().capabilities), hint="--capability")
    return folder or conf.settings().keys


def _shape(key: known.Key) -> dict[str, object]:
    return {
        "client": key.client,
        "id": key.known,
        "capabilities": list(key.capabilities),
        "made": key.made,
    }
