"""Where events may be: the databases, consumers and queues that a command is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from strangler.cli import session

if TYPE_CHECKING:
    from strangler.events.aside import ConsumerPlace, Place
    from strangler.events.unread import QueuePlace
    from strangler.manifest import Manifest

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
Listeners = Annotated[
    Path | None,
    typer.Option(
        "--manifest",
        envvar="STRANGLER_MANIFEST",
        metavar="FILE",
        help="With --database: who listens, and by which bus.",
        show_default=False,
    ),
]


def django(context: typer.Context) -> None:
    """Set up the project, where there is one."""
    if not find_spec("django"):
        raise typer.BadParameter(
            "there is no Django here: name the database", param_hint="--database"
        )
    session.begin(context)


def databases(context: typer.Context, database: str | None) -> Mapping[str, str]:
    """The URLs of this database, or of all that the project knows, by name."""
    if database is not None:
        return {_secretless(database): database}
    django(context)
    from strangler.django.events import speaking

    return speaking.databases()


def manifest_of(database: str | None, path: Path | None) -> Manifest | None:
    """The project's manifest, or the one that is named beside a database; None if none is."""
    if database is None:
        from strangler.django import conf

        return conf.manifest()
    from strangler.manifest import load

    return load(path) if path is not None else None


def consumers() -> list[ConsumerPlace]:
    """Where those who listen have set events aside."""
    from strangler.django.events import speaking

    return speaking.consumers()


def places(context: typer.Context, database: str | None) -> Sequence[Place]:
    """Wherever events may be set aside."""
    if database is not None:
        from strangler.events.aside import OutboxPlace
        from strangler.events.stores.connect import connect

        return [OutboxPlace("outbox", partial(connect, database))]
    django(context)
    from strangler.django.events import speaking

    return speaking.places()


def queues(context: typer.Context, database: str | None, path: Path | None) -> Sequence[QueuePlace]:
    """What the http bus has put into queues, of this database or of all."""
    from strangler.events.stores.connect import connect
    from strangler.events.unread import QueuePlace

    found = databases(context, database)
    manifest = manifest_of(database, path)
    if manifest is None:
        raise typer.BadParameter("name it: it says who listens", param_hint="--manifest")
    return [
        QueuePlace(f"the queue of {name}", partial(connect, url), manifest)
        for name, url in found.items()
    ]


def _secretless(url: str) -> str:
    """A database in a message: what stands before an @ may be a password."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
