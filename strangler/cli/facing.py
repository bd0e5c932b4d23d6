"""Options with one meaning wherever an NGINX is told how it stands."""

from __future__ import annotations

from typing import Annotated

import typer

Listen = Annotated[str, typer.Option("--listen", metavar="ADDRESS", help="Where NGINX listens.")]
Resolver = Annotated[
    str | None,
    typer.Option(
        "--resolver",
        metavar="ADDRESS",
        help="A name server, to resolve names again while NGINX runs.",
        show_default=False,
    ),
]
Certificate = Annotated[
    str | None,
    typer.Option(
        "--certificate",
        envvar="STRANGLER_CERTIFICATE",
        metavar="FILE",
        help="The site's certificate, with those above it: NGINX then speaks TLS.",
        show_default=False,
    ),
]
CertificateKey = Annotated[
    str | None,
    typer.Option(
        "--certificate-key",
        envvar="STRANGLER_CERTIFICATE_KEY",
        metavar="FILE",
        help="Its private key.",
        show_default=False,
    ),
]
Plain = Annotated[
    str | None,
    typer.Option(
        "--plain",
        metavar="ADDRESS",
        help="Where NGINX listens for those who come without TLS, to send them to it.",
        show_default=False,
    ),
]
Retired = Annotated[
    list[str] | None,
    typer.Option(
        "--retired",
        metavar="CAPABILITY",
        help="It goes to its service, table or not; may be given several times.",
        show_default=False,
    ),
]
