"""The command that keeps a routing table beside an edge or a service. It needs no Django."""

from __future__ import annotations

import logging
import re
import shutil
import signal
import socket
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from strangler.cli import render
from strangler.cli.facing import Certificate, CertificateKey, Listen, Plain, Resolver, Retired
from strangler.routing.news import EDGE, NAME
from strangler.routing.nginx import Settings

USUAL = Settings()


def agent(
    control: Annotated[
        list[str],
        typer.Option(
            "--control",
            envvar="STRANGLER_CONTROL",
            metavar="URL",
            help="Where the control plane answers; may be given several times.",
            show_default=False,
        ),
    ],
    table: Annotated[
        Path,
        typer.Option(
            "--table",
            envvar="STRANGLER_TABLE",
            metavar="FOLDER",
            help="The routing table to keep.",
            show_default=False,
        ),
    ],
    keys: Annotated[
        Path,
        typer.Option(
            "--keys",
            envvar="STRANGLER_KEYS",
            metavar="FOLDER",
            help="The folder with this party's private key.",
            show_default=False,
        ),
    ],
    *,
    party: Annotated[
        str, typer.Option("--party", help="Who asks: edge, or the service that it is beside.")
    ] = EDGE,
    audience: Annotated[
        str, typer.Option("--audience", help="The party that the control plane is.")
    ] = "monolith",
    name: Annotated[
        str | None,
        typer.Option(
            "--name", help="What moves call it; else the host's name.", show_default=False
        ),
    ] = None,
    nginx: Annotated[
        Path | None,
        typer.Option(
            "--nginx",
            metavar="FOLDER",
            help="The folder that NGINX runs in; without it only the table is kept.",
            show_default=False,
        ),
    ] = None,
    manifest: Annotated[
        Path,
        typer.Option(
            "--manifest",
            envvar="STRANGLER_MANIFEST",
            metavar="FILE",
            help="What NGINX's configuration is made of.",
        ),
    ] = Path("router/capabilities.toml"),
    listen: Listen = USUAL.listen,
    user: Annotated[
        str | None,
        typer.Option(
            "--user",
            envvar="STRANGLER_NGINX_USER",
            metavar="USER",
            help="As whom NGINX answers if root starts it.",
            show_default=False,
        ),
    ] = None,
    resolver: Resolver = None,
    certificate: Certificate = None,
    certificate_key: CertificateKey = None,
    plain: Plain = None,
    retired: Retired = None,
    program: Annotated[
        str, typer.Option("--program", metavar="NGINX", help="The NGINX to run.")
    ] = "nginx",
    once: Annotated[
        bool,
        typer.Option("--once", help="Write NGINX's configuration from the manifest, and end."),
    ] = False,
) -> None:
    """Keep a routing table, and the NGINX that asks it, as the control plane wants them.

    Run one beside every edge and every service. Each revision is applied by one atomic rename;
    NGINX is told to read its files again only if the manifest has changed them, and it agrees to
    them. It reads NGINX's access log, and tells the control plane what each arm has answered.

    If it dies, or the control plane, everybody goes on with the table that is there; and
    `strangler kill CAPABILITY --local` works without either.

    \b
    strangler agent --nginx /var/lib/strangler/nginx      beside an edge
    strangler agent --party pricing                       beside a service
    """
    from strangler.agent.running import Beside, run
    from strangler.ports.transports.http import Http

    logging.basicConfig(
        level=logging.WARNING if once else logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    ending = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ending.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    table = table.absolute()
    settings = Settings(
        table=str(table),
        listen=listen,
        user=user,
        resolver=resolver,
        certificate=certificate,
        certificate_key=certificate_key,
        plain=plain,
        retired=frozenset(retired or ()),
    )
    beside = None
    if nginx is not None:
        found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
        beside = Beside(nginx.absolute(), found or program, manifest.absolute(), settings)
    name = name or socket.gethostname()
    if not re.match(NAME, name):
        raise typer.BadParameter(
            f"an agent can't be called {name!r}: letters, digits, '.', '_' and '-'",
            param_hint="--name",
        )
    for url in control:
        try:
            Http([url])
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--control") from error
    run(control, table, keys, party=party, audience=audience, name=name, beside=beside,
        ending=ending, once=once)  # fmt: skip
    if once:
        render.say(f"NGINX has what it needs: nginx -p {nginx} -c current/nginx.conf")
        return
    render.complain(f"the agent {party}/{name} has ended; the table stays as it is")
