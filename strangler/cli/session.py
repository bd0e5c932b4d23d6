"""What every command shares: which project, who acts, and options with one meaning everywhere."""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import dataclass
from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(metavar="CAPABILITY", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the history.")]
AcceptLoss = Annotated[
    bool,
    typer.Option(
        "--accept-loss",
        help="Do it without the service's database, and lose what only that has.",
    ),
]
IfRevision = Annotated[
    int | None,
    typer.Option(
        "--if-revision",
        metavar="N",
        help="Only if the control plane is still at this revision (see status).",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Session:
    """The options that stand before the command."""

    settings: str | None = None
    actor: str | None = None


def begin(context: typer.Context) -> None:
    """Set up the project that the command is about.

    Raises:
        ProjectNotFound: there is none.
    """
    from strangler.cli import project

    project.load(_session(context).settings)


def actor(context: typer.Context) -> str:
    """Whom the history names: ``--actor``, ``STRANGLER_ACTOR``, or who is logged in here."""
    return _session(context).actor or os.environ.get("STRANGLER_ACTOR") or _logged_in()


def _session(context: typer.Context) -> Session:
    session = context.find_root().obj
    return session if isinstance(session, Session) else Session()


def _logged_in() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
