"""The command that listens."""

from __future__ import annotations

import logging
import signal
import sys
from datetime import timedelta
from typing import Annotated

import typer

from strangler.cli import render, session


def consume(
    context: typer.Context,
    capability: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CAPABILITY]...",
            help="Only these; else all that the manifest lets subscribe.",
        ),
    ] = None,
    *,
    keep: Annotated[
        int,
        typer.Option(
            "--keep",
            metavar="DAYS",
            min=7,
            help="How long to remember what has been taken: at least 7, and longer than anything "
            "may stand still, for what comes again after that is handled anew.",
        ),
    ] = 30,
) -> None:
    """Let the monolith's consumers take events from the bus, until told to stop.

    Run as many as you like: they share the work. Events that could not be handled are tried again
    here, and the inbox forgets what is old. With the http bus the events are brought to the web
    processes, and only that is left to do. A consumer whose rows are a service's waits: that has
    threads of its own.

    \b
    strangler consume
    strangler consume shipping notifications
    """
    session.begin(context)
    from strangler.django.events.running import listening

    logging.getLogger("strangler.events").setLevel(logging.INFO)
    listen = listening(capability or (), keep=timedelta(days=keep))
    if not listen.figures:
        render.complain("nobody listens: no capability of the manifest subscribes to anything")
        raise typer.Exit(1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: listen.stop())
    render.say(f"{', '.join(listen.figures)} listen")
    sys.stdout.flush()
    with listen:
        listen.wait()
