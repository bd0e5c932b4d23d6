"""Sagas: which there are, what each has done, and what an operator can do about one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from strangler.cli import render, session
from strangler.cli.session import AsJson, Reason
from strangler.gates import duration
from strangler.saga.machine import State

if TYPE_CHECKING:
    from strangler.saga.engine import Shown
    from strangler.saga.store import Record

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Business transactions of many steps: see them, and help those that are stuck.",
)

_COLOURS = {
    State.COMPENSATING: "yellow",
    State.STUCK: "bold red",
    State.ABANDONED: "red",
    State.COMPLETED: "green",
}
Id = Annotated[
    str,
    typer.Argument(
        metavar="SAGA", show_default=False, help="Its id, or as much of that as is needed."
    ),
]


@app.callback()
def saga() -> None:
    """Business transactions of many steps: see them, and help those that are stuck."""


@app.command("list")
def listed(
    context: typer.Context,
    *,
    state: Annotated[
        list[State] | None,
        typer.Option("--state", help="Only these; may be given several times.", show_default=False),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Only sagas of this name.", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the sagas that have not ended, the youngest first.

    \b
    strangler saga list
    strangler saga list --state stuck
    strangler saga list --all --name ordering.checkout
    """
    session.begin(context)
    from strangler.django.control_plane import ledger
    from strangler.django.saga import engine

    states = state or ([] if everything else [one for one in State if not one.ended])
    with ledger.reaching():
        records = engine().listed(states=states, name=name, limit=limit)
    if as_json:
        render.dump({"sagas": [_shape(one) for one in records]})
    elif records:
        render.say(_table(records))
    else:
        render.say("there is no such saga" if state or name or everything else "no saga is open")


@app.command()
def show(context: typer.Context, saga: Id, *, as_json: AsJson = False) -> None:
    """Show what a saga has done, and what it holds.

    \b
    strangler saga show 6f1c
    """
    session.begin(context)
    from strangler.django.control_plane import ledger
    from strangler.django.saga import engine, seeing

    with ledger.reaching():
        shown = engine().show(seeing.found(saga))
    if as_json:
        render.dump(_shape(shown.record) | _more(shown))
    else:
        render.say(_shown(shown))


@app.command()
def retry(
    context: typer.Context, saga: Id, *, reason: Reason = "", as_json: AsJson = False
) -> None:
    """Go on with a saga that is stuck, once what kept it has been mended.

    Exit code 1 says that it is stuck again, or has met with trouble again: it is told.

    \b
    strangler saga retry 6f1c --reason "the bank is back"
    """
    session.begin(context)
    from strangler.django.control_plane import ledger
    from strangler.django.saga import engine, seeing

    with ledger.reaching():
        found = seeing.found(saga)
        seen = engine().retry(found, actor=session.actor(context), reason=reason)
    _told(seen.record, as_json=as_json)
    state, trouble = seen.record.state, seen.record.trouble
    raise typer.Exit(1 if state is State.STUCK or (trouble and not state.ended) else 0)


@app.command()
def abandon(
    context: typer.Context, saga: Id, *, reason: Reason = "", as_json: AsJson = False
) -> None:
    """End a saga where it stands: what it has done stays done, and its locks are let go.

    Whatever it leaves behind is for people to clear up.

    \b
    strangler saga abandon 6f1c --reason "refunded by hand"
    """
    session.begin(context)
    from strangler.django.control_plane import ledger
    from strangler.django.saga import engine, seeing

    with ledger.reaching():
        found = seeing.found(saga)
        record = engine().abandon(found, actor=session.actor(context), reason=reason)
    _told(record, as_json=as_json)


def _told(record: Record, *, as_json: bool) -> None:
    if as_json:
        render.dump(_shape(record))
        return
    text = Text(f"{record.name} {record.id}: ")
    render.say(text.append_text(_standing(record, time.time())))


def _table(records: Sequence[Record]) -> RenderableType:
    now = time.time()
    grid = render.table("saga", "name", "state", "begun")
    for one in records:
        standing = _standing(one, now)
        grid.add_row(str(one.id)[:13], one.name, standing, f"{duration(now - one.started)} ago")
    return grid


def _standing(record: Record, now: float) -> Text:
    text = Text(record.state.value, style=_COLOURS.get(record.state, ""))
    if record.step is not None:
        text.append(f" at {record.step}", style="default not bold")
    if record.late(now):
        text.append(", late", style="yellow not bold")
    why = record.trouble or (f"{record.cause}: {record.reason}" if record.cause else "")
    if why:
        text.append(f"\n{why}", style="dim not bold default")
    return text


def _shown(shown: Shown) -> RenderableType:
    record, now = shown.record, time.time()
    headline = Text(f"{record.name} {record.id}: ")
    headline.append(record.state.value, style=_COLOURS.get(record.state, "bold"))
    facts = render.bare(2)
    for name, what in _facts(shown, now):
        facts.add_row(f"  {name}", what)
    log = render.table("at (UTC)", "step", "what", "try", "", right=("try",))
    for one in shown.log:
        log.add_row(_when(one.at), one.step, one.event.value, str(one.attempt), Text(one.detail))
    return Group(headline, facts, "", log)


def _facts(shown: Shown, now: float) -> list[tuple[str, str]]:
    record = shown.record
    turned = f"{record.cause}: {record.reason}" if record.cause else ""
    facts = [
        ("key", record.key),
        ("data", record.data),
        ("begun", _when(record.started)),
        ("ended", _when(record.ended) if record.ended is not None else ""),
        ("step", record.step or ""),
        ("trouble", record.trouble),
        ("turned for", turned),
        ("late", f"since {_when(record.deadline)}" if record.late(now) else ""),
        ("next try", _when(record.due) if record.due is not None and not record.holder else ""),
        ("held by", record.holder),
        ("locks", ", ".join(shown.locks)),
    ]
    return [(name, what) for name, what in facts if what]


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%m-%d %H:%M:%S")


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()


def _shape(record: Record) -> dict[str, Any]:
    return {
        "saga": str(record.id),
        "name": record.name,
        "key": record.key,
        "state": record.state.value,
        "step": record.step,
        "attempts": record.standing.attempts,
        "cause": record.cause or None,
        "reason": record.reason or None,
        "trouble": record.trouble or None,
        "holder": record.holder or None,
        "late": record.late(time.time()),
        "deadline": _iso(record.deadline),
        "due": _iso(record.due),
        "started": _iso(record.started),
        "ended": _iso(record.ended),
    }


def _more(shown: Shown) -> dict[str, Any]:
    log = [
        {
            "at": _iso(one.at),
            "step": one.step,
            "event": one.event.value,
            "state": one.state.value,
            "attempt": one.attempt,
            "token": one.token,
            "detail": one.detail,
        }
        for one in shown.log
    ]
    return {"data": shown.record.data, "locks": shown.locks, "log": log}
