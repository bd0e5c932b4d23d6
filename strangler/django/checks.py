"""What ``manage.py check`` says: settings, manifest, middleware, contracts, events and more.

None of them asks the database or a service; ``strangler check`` does that too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings as django_settings
from django.core import checks
from django.utils.module_loading import import_string

from strangler.django import conf, contracts, tables
from strangler.django.boundaries import Crossing, crossings
from strangler.django.events import checking
from strangler.ladder import Stage
from strangler.manifest import Capability, Edge, Gateway, ManifestErrors
from strangler.ports.trust import clients, secret
from strangler.ports.trust.keys import Keyring, KeysUnusable
from strangler.routing.table import Table, TableUnusable

TAG = "strangler"
MIDDLEWARE = "strangler.django.middleware."
_AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"

Messages = Iterator[checks.CheckMessage]


def register() -> None:
    """Let Django run these checks with its own."""
    checks.register(run, TAG)
    checks.register(boundaries, TAG)


def run(app_configs: Sequence[AppConfig] | None = None, **_: Any) -> list[checks.CheckMessage]:
    """Everything that is wrong, at once; what needs the settings waits until they are right."""
    if app_configs is not None and all(config.label != "strangler" for config in app_configs):
        return []
    try:
        conf.settings()
    except conf.BadSettings as error:
        return [checks.Error(problem, id="strangler.E001") for problem in error.problems]
    found: list[Callable[[], Iterable[checks.CheckMessage]]] = [
        _places,
        _manifest,
        _middleware,
        _table,
        _keys,
        _edge,
        checking.listening,
    ]
    return [message for check in found for message in check()]


def boundaries(
    app_configs: Sequence[AppConfig] | None = None, **_: Any
) -> list[checks.CheckMessage]:
    """Every relation that ties a capability's tables to others.

    One that has left the rung ``monolith`` must have none. For one that has not, that is a warning,
    and none at all where a package declares the relation: whoever has users has those.
    """
    try:
        capabilities = conf.manifest().capabilities.values()
    except (conf.BadSettings, ManifestErrors):
        return []  # The other checks say so.
    climbing = _climbing()
    asked = None if app_configs is None else {config.label for config in app_configs}
    found = []
    for capability in capabilities:
        app = tables.app(capability)
        if app is None or (asked is not None and not asked & {app.label, "strangler"}):
            continue
        climbs = capability.name in climbing
        found += [
            _crossing(capability, one, climbs=climbs)
            for one in crossings(capability)
            if climbs or not one.packaged
        ]
    return found


def _crossing(capability: Capability, one: Crossing, *, climbs: bool) -> checks.CheckMessage:
    message = f"{one} crosses the boundary of {capability.name}"
    if climbs and one.blocks:
        said = f"{message}, whose rows are carried to another database"
        return checks.Error(said, hint=one.remedy, id="strangler.E006")
    if one.blocks:
        said = f"{message}, and keeps it from leaving the monolith"
        return checks.Warning(said, hint=one.remedy, id="strangler.W003")
    said = f"{message}: it works only while both are in one database"
    return checks.Warning(said, hint=one.remedy, id="strangler.W004")


def _climbing() -> frozenset[str]:
    """Who has left the rung ``monolith``, as the routing table says: no database is asked."""
    try:
        entries = Table(conf.settings().table).entries()
    except TableUnusable:
        return frozenset()
    return frozenset(name for name, one in entries.items() if one.stage is not Stage.MONOLITH)


def _places() -> Messages:
    settings = conf.settings()
    if settings.database not in django_settings.DATABASES:
        yield checks.Error(
            f'STRANGLER["DATABASE"] is {settings.database!r}, and DATABASES has no such alias',
            hint=f"Name one of {', '.join(sorted(django_settings.DATABASES))}.",
            id="strangler.E001",
        )
    if settings.wiring and not _findable(settings.wiring):
        yield checks.Error(
            f'STRANGLER["WIRING"] is {settings.wiring!r}, and there is no such module',
            hint="Name the module that serves your ports, or leave it out.",
            id="strangler.E001",
        )
    if settings.identify:
        try:
            identify = import_string(settings.identify)
        except ImportError as error:
            identify = None
            said = str(error)
        else:
            said = "it can't be called"
        if not callable(identify):
            yield checks.Error(
                f'STRANGLER["IDENTIFY"] is {settings.identify!r}: {said}',
                hint="Name a function that takes the request and returns a User or None.",
                id="strangler.E001",
            )


def _findable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _manifest() -> Messages:
    try:
        manifest = conf.manifest()
    except ManifestErrors as error:
        for problem in error.problems:
            yield checks.Error(
                f"{problem.file}: {problem.key}: {problem.found}",
                hint=problem.remedy,
                id="strangler.E002",
            )
        return
    for capability in manifest.capabilities.values():
        if tables.app(capability) is None:
            yield checks.Error(
                f"capability.{capability.name}.context is {capability.context!r}, and no "
                "installed app contains that",
                hint="Add the app to INSTALLED_APPS, or name the package of one that is there.",
                id="strangler.E003",
            )
        try:
            contracts.port(capability)
        except contracts.BadContract as error:
            yield checks.Error(
                f"capability.{capability.name}.contract: {error}",
                hint='Write it as "package.module:Port".',
                id="strangler.E004",
            )


def _middleware() -> Messages:
    middleware = list(django_settings.MIDDLEWARE)
    ours = [number for number, path in enumerate(middleware) if path.startswith(MIDDLEWARE)]
    if len(ours) != 1:
        yield checks.Error(
            f"MIDDLEWARE has {len(ours)} entries of {MIDDLEWARE}*, and needs one",
            hint=f'Add "{MIDDLEWARE}EdgeMiddleware" once, after whatever finds out who the user '
            "is. It is needed behind NGINX too: it sends the shadow its questions.",
            id="strangler.E005",
        )
    elif _AUTHENTICATION in middleware[ours[0] :]:
        yield checks.Error(
            f"{middleware[ours[0]]} stands before {_AUTHENTICATION} in MIDDLEWARE, so it can't "
            "know who the user is",
            hint="Move it behind.",
            id="strangler.E005",
        )


def _table() -> Messages:
    table = conf.settings().table
    place = next((folder for folder in (table, *table.parents) if folder.exists()), Path("/"))
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        yield checks.Warning(
            f"the routing table's folder {table} can't be written by this process: {place} is "
            + ("read-only" if place.is_dir() else "no folder"),
            hint="Whoever runs 'strangler advance' must be able to write there.",
            id="strangler.W001",
        )


def _keys() -> Messages:
    settings = conf.settings()
    try:
        Keyring.load(settings.keys, settings.party)
    except KeysUnusable as error:
        yield checks.Warning(
            f"calls to services can't be signed: {error}",
            hint=f"strangler keys {settings.party}, and start whatever runs again.",
            id="strangler.W002",
        )


def _edge() -> Messages:
    settings = conf.settings()
    if settings.edge is conf.Edge.NGINX and not (settings.keys / secret.FILE).is_file():
        yield checks.Warning(
            f"the edge in front can't prove itself: there is no {settings.keys / secret.FILE}",
            hint="strangler compile nginx --secret",
            id="strangler.W005",
        )
    if settings.edge is conf.Edge.NGINX:
        yield from _shut_out()
    elif not django_settings.DEBUG:
        yield from _undone()


def _shut_out() -> Messages:
    try:
        wanted = [one.name for one in conf.manifest().capabilities.values() if one.gateway.key]
        keys = clients.read(conf.settings().keys) if wanted else ()
    except ManifestErrors:
        return  # Another check says so.
    except clients.ClientsUnusable as error:
        yield checks.Warning(str(error), id="strangler.W007")
        return
    opened = {name for key in keys for name in key.capabilities or wanted}
    if shut := [name for name in wanted if name not in opened]:
        yield checks.Warning(
            f"nobody can ask {', '.join(shut)}: an API key is wanted, and no client has one here",
            hint="strangler clients add NAME; or bring clients.json here from where it is.",
            id="strangler.W007",
        )


def _undone() -> Messages:
    try:
        manifest = conf.manifest()
    except ManifestErrors:
        return  # Another check says so.
    bare = Edge(manifest.edge.monolith, manifest.edge.sticky)
    asked = [name for name, one in manifest.capabilities.items() if one.gateway != Gateway()]
    if manifest.edge != bare:
        asked.insert(0, "the edge")
    if asked:
        yield checks.Warning(
            f"the manifest asks for a gateway ({', '.join(asked)}), and the middleware is none: no "
            "limits, no API keys, no origins, nothing kept, nothing closed",
            hint="Put NGINX in front, and set STRANGLER_EDGE=nginx; in development, DEBUG.",
            id="strangler.W006",
        )
