"""The commands that only look."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.live import Live

from strangler.cli import found as findings
from strangler.cli import render, session, shapes
from strangler.cli.session import AsJson, IfRevision, Name, Reason

EVERY = 1.0
"""Seconds between two looks of ``status --watch``."""


def status(
    context: typer.Context,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every second.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show where every capability stands, how its arms do, and what its next move waits for.

    \b
    strangler status
    strangler status --watch
    strangler status --json | jq '.capabilities[] | {capability, stage, percent}'
    """
    session.begin(context)
    from strangler.django.control_plane.overview import overview

    if not watch:
        seen = overview()
        if as_json:
            render.dump(shapes.overview(seen))
        else:
            render.say(render.overview(seen))
        raise typer.Exit(1 if seen.wrong else 0)
    try:
        if as_json:
            while True:
                render.dump_line(shapes.overview(overview()))
                time.sleep(EVERY)
        with Live(console=render.console(), screen=False, auto_refresh=False) as live:
            while True:
                live.update(render.overview(overview()), refresh=True)
                time.sleep(EVERY)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def explain(
    context: typer.Context,
    method: Annotated[str, typer.Argument(metavar="METHOD", show_default=False)],
    path: Annotated[str, typer.Argument(metavar="PATH", show_default=False)],
    *,
    cookie: Annotated[
        str | None,
        typer.Option("--cookie", metavar="VALUE", help="The edge's cookie, or a Cookie header."),
    ] = None,
    cohort: Annotated[
        int | None, typer.Option("--cohort", metavar="N", min=0, max=999, help="0 to 999.")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", metavar="NAME:VALUE", help="A header that the client sends."),
    ] = None,
    address: Annotated[
        str | None, typer.Option("--address", metavar="IP", help="The client's address.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which arm would answer a request, and why.

    \b
    strangler explain GET /api/pricing/quote --cohort 17
    strangler explain POST /api/pricing/quote --cookie 803
    strangler explain GET /api/catalog/products/ --header X-Tenant:acme
    """
    headers = {}
    for one in header or ():
        name, colon, value = one.partition(":")
        if not colon or not name.strip():
            raise typer.BadParameter(f"{one!r} is no NAME:VALUE", param_hint="--header")
        headers[name.strip()] = value.strip()
    session.begin(context)
    from strangler.django.control_plane import explaining

    found = explaining.explain(
        method, path, headers=headers, cookie=cookie, address=address, cohort=cohort
    )
    if as_json:
        render.dump(shapes.explanation(found))
    else:
        render.say(render.explanation(found))


def history(
    context: typer.Context,
    capability: Annotated[
        str | None, typer.Argument(metavar="CAPABILITY", show_default=False)
    ] = None,
    *,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the changes: who, when, why, from where to where. Newest first.

    \b
    strangler history
    strangler history pricing --limit 5
    strangler history pricing --json      with the evidence of every move
    """
    session.begin(context)
    from strangler.django.control_plane import control

    changes = control.history(capability, limit=limit)
    if as_json:
        render.dump({"changes": [shapes.change(one) for one in changes]})
    elif changes:
        render.say(render.history(changes))
    else:
        render.say("nothing has changed yet")


def diffs(
    context: typer.Context,
    capability: Name,
    *,
    explain: Annotated[
        str,
        typer.Option("--explain", metavar="ID", help="This difference is as it should be."),
    ] = "",
    reason: Reason = "",
    if_revision: IfRevision = None,
    as_json: AsJson = False,
) -> None:
    """Show what the shadow has found: where the service's answers differ from the monolith's.

    A difference that is as it should be can be explained; it then keeps no gate shut any more.

    \b
    strangler diffs pricing
    strangler diffs pricing --explain 7f3a --reason "rounds as the law says"
    """
    session.begin(context)
    from strangler.django.control_plane import control, evidence, ledger, state

    if explain:
        done = control.explain(
            capability,
            explain,
            actor=session.actor(context),
            reason=reason,
            if_revision=if_revision,
        )
        if not as_json:
            render.say(render.moved(done, "explain"))
    with ledger.reaching():
        report = evidence.shadow(state.read(capability))
    if as_json:
        render.dump(report.to_json())
    else:
        render.say(findings.diffs(report))
