"""The commands about events: how they flow, and what is set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from strangler.cli import backlogs, places, render, session
from strangler.cli.session import AsJson

if TYPE_CHECKING:
    from strangler.events.aside import Aside, Outcome
    from strangler.events.replayed import Replayed

Event = Annotated[str | None, typer.Argument(metavar="[EVENT]", help="Its id.", show_default=False)]

app = typer.Typer(
    name="events",
    help="See how events flow, and decide about what is set aside.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def status(
    context: typer.Context,
    *,
    database: places.Database = None,
    manifest: places.Listeners = None,
    as_json: AsJson = False,
) -> None:
    """Show what waits, for whom and since when, who sees to it, and what is set aside.

    Exit code 1 says that somebody has to see to something: events wait and no relay runs, they wait
    for long, they are many, nobody reads them, some are set aside; or somebody can't be asked.

    \b
    strangler events status
    strangler events status --database sqlite:////srv/catalog.sqlite3 --json
    """
    databases = places.databases(context, database)
    found = backlogs.spoken(databases, places.manifest_of(database, manifest))
    consumers = backlogs.heard(places.consumers() if database is None else ())
    bus = backlogs.carried(places.manifest_of(None, None)) if database is None else None
    if as_json:
        render.dump(
            {
                "databases": [backlogs.shape(one) for one in found],
                "bus": backlogs.carrying(bus),
                "consumers": [
                    {"consumer": one.name, "parked": one.parked, "wrong": one.wrong}
                    for one in consumers
                ],
            }
        )
    else:
        render.say(backlogs.shown(found, consumers, bus))
    wrong = any(one.wrong for one in found) or any(one.wrong or one.parked for one in consumers)
    wrong = wrong or (bus is not None and bool(bus.wrong))
    raise typer.Exit(1 if wrong else 0)


@app.command()
def parked(
    context: typer.Context,
    *,
    database: places.Database = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="So many at most, of each.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the events that are set aside, with what is behind them, in order.

    Those of an outbox were refused by the bus; those of a consumer could not be handled. Whichever
    side owns a consumer's rows is asked; exit code 1 says that one could not be.

    \b
    strangler events parked
    """
    asked = places.places(context, database)
    from strangler.events import aside

    found, refused = aside.listed(asked, limit)
    if as_json:
        render.dump([_aside(one) for one in found])
    elif found:
        render.say(_listed(found))
    elif not refused:
        render.say("nothing is set aside")
    _complain(refused)
    raise typer.Exit(1 if refused else 0)


@app.command()
def replay(
    context: typer.Context,
    event: Event = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Whatever is set aside, anywhere.")
    ] = False,
    consumer: Annotated[
        str | None,
        typer.Option(
            "--consumer",
            metavar="NAME",
            help="Fill this one's copies of what others have anew.",
            show_default=False,
        ),
    ] = None,
    database: places.Database = None,
    as_json: AsJson = False,
) -> None:
    """Try an event again that is set aside, and with it all of its aggregate, in order.

    What a consumer has set aside is tried where its rows are owned: here, or by its service, which
    has to run. With --consumer nothing that is set aside is meant: its copies of what others have
    are emptied, and those say everything again.

    Exit code 1 says that nothing was there, that an event has failed again or was put off (it is
    behind one that failed, or what it needs is away), or that a place could not do it; the others
    have.

    \b
    strangler events replay 0190e5d2-7b4c-7c3e-9a51-0a7e6f1c2d3e
    strangler events replay --all
    strangler events replay --consumer ordering
    """
    if [event is not None, everything, consumer is not None].count(True) != 1:
        raise typer.BadParameter("name an event, or say --all, or --consumer", param_hint="EVENT")
    if consumer is not None:
        _anew(context, consumer, database, as_json=as_json)
        return
    asked = places.places(context, database)
    from strangler.events import aside
    from strangler.events.replayed import Replayed

    there, refused = aside.replayed(asked, event)
    done = sum(there.values(), Replayed())
    if as_json:
        render.dump(
            {
                "replayed": done.handled,
                "failed": done.failed,
                "put_off": done.put_off,
                "refused": _refusals(refused),
            }
        )
    elif there:
        one = done.handled == 1
        render.say(f"{backlogs.events(done.handled)} on {'its' if one else 'their'} way")
        _stay(there)
    elif not refused:
        render.complain(f"no event {event} is set aside: strangler events parked")
    _complain(refused)
    well = not refused and not done.failed and not done.put_off
    raise typer.Exit(0 if well and (done.handled or everything) else 1)


@app.command()
def drop(
    context: typer.Context,
    event: Event = None,
    *,
    consumer: Annotated[
        str | None,
        typer.Option(
            "--consumer",
            metavar="NAME",
            help="Whatever waits for it in queues, and nobody reads.",
            show_default=False,
        ),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept, or logged.")],
    database: places.Database = None,
    manifest: places.Listeners = None,
    as_json: AsJson = False,
) -> None:
    """Give an event up that is set aside: nobody will be told, and what is behind it goes on.

    With --consumer, give up what waits for a consumer in the http bus's queues and nobody brings it
    any more: it has taken its subscription back, or the bus is another one. Exit code 1 says that
    nothing was there, or that a place could not do it; the others have.

    \b
    strangler events drop 0190e5d2-7b4c-7c3e-9a51-0a7e6f1c2d3e --reason "a test order"
    strangler events drop --consumer notifications --reason "it listens no more"
    """
    if not reason.strip():
        raise typer.BadParameter("say why", param_hint="--reason")
    if (event is None) is (consumer is None):
        raise typer.BadParameter("name an event, or say --consumer", param_hint="EVENT")
    from strangler.events import aside

    who = session.actor(context)
    if event is not None:
        outcomes = aside.each(
            places.places(context, database),
            lambda place: place.drop(event, who=who, reason=reason),
        )
        none = f"no event {event} is set aside: strangler events parked"
    else:
        outcomes = aside.each(
            places.queues(context, database, manifest),
            lambda place: place.drop(consumer or "", who=who, reason=reason),
        )
        none = f"nothing waits for {consumer} that nobody reads: strangler events status"
    _dropped(outcomes, none, behind=event is not None, as_json=as_json)


def _dropped(outcomes: Sequence[Outcome], none: str, *, behind: bool, as_json: bool) -> None:
    done = {one.place: one.count for one in outcomes if one.count is not None}
    refused = [one for one in outcomes if one.refused]
    if as_json:
        render.dump({"dropped": done, "refused": _refusals(refused)})
    elif not done and not refused:
        render.complain(none)
    else:
        for name, count in done.items():
            said = f"; {count:,} behind it" if behind else f": {backlogs.events(count)}"
            render.say(f"dropped from {name}{said}")
    _complain(refused)
    raise typer.Exit(0 if done and not refused else 1)


def _anew(context: typer.Context, consumer: str, database: str | None, *, as_json: bool) -> None:
    """Fill a consumer's copies anew."""
    if database is not None:
        raise typer.BadParameter(
            "a consumer is asked in the project, not in a database", param_hint="--consumer"
        )
    places.django(context)
    from strangler.events import aside

    found = {one.name: one for one in places.consumers()}
    if consumer not in found:
        there = ", ".join(found) or "none"
        raise typer.BadParameter(f"those that listen are {there}", param_hint="--consumer")
    (outcome,) = aside.each([found[consumer]], lambda place: place.anew())
    if as_json:
        refused = _refusals([outcome] if outcome.refused else [])
        render.dump({"consumer": consumer, "refused": refused})
    elif outcome.refused:
        _complain([outcome])
    else:
        render.say(
            f"{consumer} has emptied its copies, and everything is said again: they are whole once "
            "that has arrived (strangler events status)"
        )
    raise typer.Exit(1 if outcome.refused else 0)


def _stay(replayed: Mapping[str, Replayed]) -> None:
    """Say what has not gone on."""
    for place, one in replayed.items():
        if one.failed or one.put_off:
            why = f" ({one.why})" if one.why else ""
            render.complain(
                Text(
                    f"{place}: {backlogs.events(one.failed)} failed again, {one.put_off:,} put "
                    f"off{why}: strangler events parked"
                )
            )


def _complain(refused: Sequence[Outcome]) -> None:
    for one in refused:
        render.complain(Text(f"{one.place}: {one.refused}"))


def _refusals(refused: Sequence[Outcome]) -> dict[str, str]:
    return {one.place: one.refused for one in refused}


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
