"""Where the two databases of a capability are, and how its rows map.

The mover's way to the monolith's database is ``STRANGLER_MOVER_DATABASE``; without it, Django's own
way. Its way to a service's is ``STRANGLER_<CAPABILITY>_DATABASE``. Both are URLs, such as
``postgresql://mover@db/shop`` or ``sqlite:////srv/shop.sqlite3``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from urllib.parse import quote

from django.db import connections, router

from strangler.django import tables
from strangler.ladder import Arm
from strangler.manifest import Capability
from strangler.transfer.connect import database
from strangler.transfer.database import Database
from strangler.transfer.errors import Unfit
from strangler.transfer.mapping import TableMap

MONOLITH = "STRANGLER_MOVER_DATABASE"


def service_variable(name: str) -> str:
    """The variable that says where a service's database is."""
    return f"STRANGLER_{name.upper()}_DATABASE"


@dataclass(frozen=True, slots=True)
class Sides:
    """Both databases of one capability, and its maps."""

    maps: tuple[TableMap, ...]
    monolith: Database
    service: Database


def sides(capability: Capability) -> Sides:
    """Both databases; nothing is connected yet.

    Raises:
        Unfit: the manifest or the environment does not say where they are, or how rows map.
    """
    maps = table_maps(capability)
    variable = service_variable(capability.name)
    url = os.environ.get(variable)
    if not url:
        raise Unfit([f"nothing says where {capability.name}'s own database is: set {variable}"])
    return Sides(
        maps,
        database(
            monolith_url(capability),
            capability=capability.name,
            arm=Arm.MONOLITH,
            tables=[one.source for one in maps],
        ),
        database(
            url,
            capability=capability.name,
            arm=Arm.SERVICE,
            tables=[target.table for one in maps for target in one.targets],
        ),
    )


def table_maps(capability: Capability) -> tuple[TableMap, ...]:
    """How the capability's rows map, checked against its models.

    Raises:
        Unfit: with everything that is wrong.
    """
    if capability.transfer is None:
        raise Unfit([f"capability.{capability.name}.transfer is missing: it says how its rows map"])
    module, _, name = capability.transfer.partition(":")
    try:
        maps = tuple(getattr(import_module(module), name))
    except (ImportError, AttributeError, TypeError) as error:
        raise Unfit([f"transfer = {capability.transfer!r}: {error}"]) from error
    wanted = {model._meta.db_table for model in tables.tables(capability)}  # noqa: SLF001  # Django's documented name for it
    have = {one.source for one in maps}
    problems = [
        f"{table}: no map says what becomes of its rows: add a TableMap to {capability.transfer}"
        for table in sorted(wanted - have)
    ] + [
        f"{table}: {capability.transfer} maps it, and it is no table of {capability.context}"
        for table in sorted(have - wanted)
    ]
    if problems:
        raise Unfit(problems)
    return maps


def monolith_url(capability: Capability) -> str:
    """The mover's way to the database that the capability's models are written to."""
    if url := os.environ.get(MONOLITH):
        return url
    models = tables.tables(capability)
    return django_url(router.db_for_write(models[0]) if models else "default")


def django_url(alias: str) -> str:
    """A database of Django's as a URL.

    Raises:
        Unfit: it is neither PostgreSQL nor SQLite.
    """
    connection = connections[alias]
    said = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{said['NAME']}"
    if connection.vendor != "postgresql":
        raise Unfit(
            [f"the database {alias!r} is {connection.vendor}: PostgreSQL or SQLite is needed"]
        )
    user = quote(said.get("USER") or "", safe="")
    if said.get("PASSWORD"):
        user += ":" + quote(said["PASSWORD"], safe="")
    host = said.get("HOST") or ""
    query = f"?host={quote(host, safe='')}" if host.startswith("/") else ""
    place = "" if query else host
    port = f":{said['PORT']}" if said.get("PORT") else ""
    at = f"{user}@" if user else ""
    return f"postgresql://{at}{place}{port}/{quote(said['NAME'], safe='')}{query}"
