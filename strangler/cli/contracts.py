"""Freezing contracts, and seeing that they are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from strangler.cli import render, session
from strangler.cli.session import AsJson

if TYPE_CHECKING:
    from strangler.ports.freezing.compat import Change

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Freeze what crosses a boundary, and see that it is kept.",
)


@app.command()
def freeze(
    context: typer.Context,
    *,
    reason: Annotated[
        str,
        typer.Option(
            "--reason",
            metavar="TEXT",
            help="Why a change that is not compatible is made all the same; kept in the file.",
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Write each port, event and public HTTP face into files, to be committed.

    A change that would break somebody is refused without a reason.

    \b
    strangler contracts freeze
    strangler contracts freeze --reason "nobody calls it any more"
    """
    session.begin(context)
    from strangler.django import contracts
    from strangler.events.freezing import UnreadablePast
    from strangler.ports.freezing.freeze import Incompatible, freeze_all, fresh

    new: dict[str, int] = {}
    changes: list[Change] = []
    broken: list[Change] = []
    freezers = contracts.freezers()
    if lost := [line for one in freezers for line in contracts.unreadable(one)]:
        raise UnreadablePast(lost)
    for one in freezers:
        first = fresh(one.documents, one.folder)
        try:
            changes += freeze_all(one.documents, one.folder, reason=reason or None)
        except Incompatible as refused:
            broken += refused.changes
        else:
            new |= {f"{one.folder.name}/{name}": count for name, count in first.items()}
    (_dump if as_json else _tell)(new, changes, broken)
    raise typer.Exit(1 if broken else 0)


@app.command()
def check(
    context: typer.Context,
    *,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="REV",
            help="A git revision whose contracts must still be kept, such as origin/main.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the frozen contracts with the code, and with those of another revision.

    \b
    strangler contracts check
    strangler contracts check --against origin/main
    """
    session.begin(context)
    from strangler.django import contracts

    problems = contracts.check(against)
    if as_json:
        render.dump({"ok": not problems, "problems": problems})
    for problem in [] if as_json else problems:
        render.complain(problem)
    if not problems and not as_json:
        render.say("the frozen contracts are what the code says")
    raise typer.Exit(1 if problems else 0)


def _dump(new: dict[str, int], changes: list[Change], broken: list[Change]) -> None:
    shown = _shapes([*changes, *broken])
    render.dump({"frozen": not broken, "new": list(new), "changes": shown})


def _tell(new: dict[str, int], changes: list[Change], broken: list[Change]) -> None:
    for name, count in new.items():
        what = "event" if name.endswith(".events.json") else "operation"
        render.say(f"frozen: {name} ({count} {what}{'' if count == 1 else 's'})")
    for change in changes:
        render.say(str(change))
    for change in broken:
        render.complain(str(change))
    if broken:
        render.complain("not frozen: make the change in steps, or freeze it with a --reason")
    elif not changes and not new:
        render.say("frozen as they were")


def _shapes(changes: list[Change]) -> list[dict[str, object]]:
    return [
        {
            "where": change.where,
            "what": change.what,
            "direction": str(change.direction),
            "compatible": change.compatible,
            "order": str(change.order) if change.order else None,
        }
        for change in changes
    ]
