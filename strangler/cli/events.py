"""The commands about events: how they flow, and what is set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from strangler.cli import render, session
from strangler.cli.session import AsJson
from strangler.gates import duration

if TYPE_CHECKING:
    from strangler.events.aside import Aside, Place
    from strangler.events.stores import Backlog

Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="STRANGLER_DATABASE",
        metavar="URL",
        help="Only this one: postgresql://… or sqlite:///…; needed where there is no Django.",
        show_default=False,
    ),
]
Event = Annotated[str, typer.Argument(metavar="EVENT", help="Its id.", show_default=False)]
WAITING = 60.0
"""Seconds that an event may wait before somebody has to see to it."""

app = typer.Typer(
    name="events",
    help="See how events flow, and decide about what is set aside.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def status(context: typer.Context, *, database: Database = None, as_json: AsJson = False) -> None:
    """Show what waits to be published, since when, who sees to it, and what is set aside.

    Exit code 1 says that somebody has to see to something: events wait and no relay runs, they wait
    for long, they are many, or some are set aside.

    \b
    strangler events status
    strangler events status --database sqlite:////srv/catalog.sqlite3 --json
    """
    found = {name: _backlog(url) for name, url in _databases(context, database).items()}
    wrong = {name: _wrong(one) for name, one in found.items()}
    aside = [] if database is not None else _inboxes(context)
    if as_json:
        render.dump(
            {
                "databases": [_shape(name, one, wrong[name]) for name, one in found.items()],
                "consumers": [{"consumer": name, "parked": parked} for name, parked in aside],
            }
        )
    else:
        render.say(_shown(found, wrong, aside))
    raise typer.Exit(1 if any(wrong.values()) or any(parked for _, parked in aside) else 0)


@app.command()
def parked(
    context: typer.Context,
    *,
    database: Database = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="So many at most, of each.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the events that are set aside, with what is behind them, in order.

    Those of an outbox were refused by the bus; those of a consumer could not be handled.

    \b
    strangler events parked
    """
    found = [one for place in _places(context, database) for one in place.listed(limit)]
    if as_json:
        render.dump([_aside(one) for one in found])
    elif found:
        render.say(_listed(found))
    else:
        render.say("nothing is set aside")


@app.command()
def replay(
    context: typer.Context,
    event: Annotated[
        str | None, typer.Argument(metavar="[EVENT]", help="Its id.", show_default=False)
    ] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Whatever is set aside, anywhere.")
    ] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Try an event again that is set aside, and with it all of its aggregate, in order.

    \b
    strangler events replay 0190e5d2-7b4c-7c3e-9a51-0a7e6f1c2d3e
    strangler events replay --all
    """
    if (event is None) is not everything:
        raise typer.BadParameter("name an event, or say --all", param_hint="EVENT")
    from strangler.events import aside

    done = aside.replay(_places(context, database), None if event is None else _id(event))
    if as_json:
        render.dump({"replayed": done})
    else:
        render.say(f"{done:,} {plural(done, 'event')} on {'its' if done == 1 else 'their'} way")
    raise typer.Exit(0 if done or everything else 1)


@app.command()
def drop(
    context: typer.Context,
    event: Event,
    *,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept.")],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Give an event up that is set aside: nobody will be told, and what is behind it goes on.

    \b
    strangler events drop 0190e5d2-7b4c-7c3e-9a51-0a7e6f1c2d3e --reason "a test order"
    """
    if not reason.strip():
        raise typer.BadParameter("say why", param_hint="--reason")
    from strangler.events import aside

    places = _places(context, database)
    done = aside.drop(places, _id(event), who=session.actor(context), reason=reason)
    if as_json:
        render.dump({"dropped": done})
    elif done:
        for name, behind in done.items():
            render.say(f"dropped from {name}; {behind:,} behind it")
    else:
        render.complain(f"no event {event} is set aside")
    raise typer.Exit(0 if done else 1)


def django(context: typer.Context) -> None:
    """Set up the project, where there is one."""
    if not find_spec("django"):
        raise typer.BadParameter(
            "there is no Django here: name the database", param_hint="--database"
        )
    session.begin(context)


def _databases(context: typer.Context, database: str | None) -> Mapping[str, str]:
    if database is not None:
        return {_secretless(database): database}
    django(context)
    from strangler.django.events import speaking

    return speaking.databases()


def _places(context: typer.Context, database: str | None) -> Sequence[Place]:
    if database is not None:
        from strangler.events.aside import OutboxPlace
        from strangler.events.stores.connect import connect

        return [OutboxPlace("outbox", partial(connect, database))]
    django(context)
    from strangler.django.events import speaking

    return speaking.places()


def _inboxes(context: typer.Context) -> list[tuple[str, int]]:
    """How many events each consumer has set aside."""
    from strangler.events.aside import InboxPlace

    return [
        (one.name, one.count()) for one in _places(context, None) if isinstance(one, InboxPlace)
    ]


def _backlog(url: str) -> Backlog:
    from strangler.events.stores.connect import connect

    with closing(connect(url)) as store:
        return store.backlog()


def _wrong(one: Backlog) -> list[str]:
    from strangler.events.outbox import ALARM, LIMIT

    waiting = sum(one.waiting.values())
    said = []
    if waiting and not one.relays:
        said.append("no relay runs: strangler relay")
    if one.oldest is not None and one.oldest > WAITING:
        said.append(f"the oldest event has waited for {duration(one.oldest)}")
    if waiting > LIMIT * ALARM:
        said.append(f"{waiting:,} events wait; at {LIMIT:,} no more are taken")
    if one.parked:
        said.append(f"{one.parked:,} events are set aside: strangler events parked")
    return said


def _shape(name: str, one: Backlog, wrong: list[str]) -> dict[str, Any]:
    return {
        "database": name,
        "waiting": one.waiting,
        "oldest_seconds": one.oldest,
        "parked": one.parked,
        "dropped": one.dropped,
        "relays": [
            {"holder": each.holder, "partitions": list(each.partitions)} for each in one.relays
        ],
        "wrong": wrong,
    }


def _shown(
    found: Mapping[str, Backlog], wrong: Mapping[str, list[str]], aside: list[tuple[str, int]]
) -> RenderableType:
    parts: list[RenderableType] = []
    for name, one in found.items():
        parts.append(Text(f"outbox of {name}", style="bold"))
        parts += [Text(f"  {said}", style="bold red") for said in wrong[name]]
        grid = render.bare(2)
        for capability, waiting in sorted(one.waiting.items()):
            grid.add_row(f"  {capability}", f"{waiting:,} {plural(waiting, 'event')} to publish")
        if not one.waiting:
            grid.add_row("  all", "published")
        for each in one.relays:
            grid.add_row(
                "  relay", f"{each.holder.partition('@')[0]}, {len(each.partitions)} of 16"
            )
        parts.append(grid)
    for name, number in aside:
        style = "bold red" if number else ""
        parts.append(Text(f"{name} has set {number:,} events aside", style=style))
    return Group(*parts)


def _listed(found: Sequence[Aside]) -> RenderableType:
    grid = render.table("where", "event", "type", "of", "version", "why", right=("version",))
    for one in found:
        style = "dim" if one.waits else "red"
        why = Text(one.reason, style=style)
        grid.add_row(one.place, one.id, one.type, one.key, str(one.version), why)
    return grid


def _aside(one: Aside) -> dict[str, Any]:
    return {
        "place": one.place,
        "id": one.id,
        "type": one.type,
        "key": one.key,
        "version": one.version,
        "reason": one.reason,
        "at": one.at.isoformat(),
        "attempts": one.attempts,
        "waits": one.waits,
    }


def _id(event: str) -> str:
    try:
        return str(UUID(event))
    except ValueError:
        raise typer.BadParameter(f"{event!r} is no event's id", param_hint="EVENT") from None


def _secretless(url: str) -> str:
    """A database in a message: what stands before an @ may be a password."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def plural(count: int, word: str) -> str:
    """The word for so many."""
    return word if count == 1 else f"{word}s"
