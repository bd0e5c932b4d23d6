"""The ``STRANGLER`` setting, typed.

::

    STRANGLER = {
        "MANIFEST": BASE_DIR / "router" / "capabilities.toml",
        "TABLE": BASE_DIR / "var" / "table",
        "KEYS": BASE_DIR / "var" / "keys",
        "WIRING": "shop.wiring",
    }
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from strangler.events.outbox import LIMIT
from strangler.manifest import Manifest, load

SAGAS_KEPT = 90
"""Days for which a saga that has ended is kept."""


class Edge(StrEnum):
    """The one decider for HTTP paths."""

    MIDDLEWARE = "middleware"
    NGINX = "nginx"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the kit needs to know of the project it lives in. Paths are absolute."""

    manifest: Path
    """The manifest, ``capabilities.toml``."""
    table: Path
    """The folder of the routing table."""
    keys: Path
    """The folder with this party's private key and everybody's public ones."""
    party: str = "monolith"
    """The name that this process signs with."""
    edge: Edge = Edge.MIDDLEWARE
    identify: str | None = None
    """Dotted path of ``(request) -> User | None``; by default whoever Django says is logged in."""
    wiring: str | None = None
    """Dotted module that binds implementations to ports; imported once all apps are ready."""
    database: str = "default"
    """Alias of the database that holds the control plane's tables."""
    door: str | None = None
    """URL by which commands reach the door; by default that of the capability's own database."""
    waiting: int | None = None
    """How many commands may wait at a door; by default a third of the workers behind NGINX."""
    outbox: int | None = LIMIT
    """How many events may wait to be published; None for any number, where no relay counts."""
    sagas_kept: int | None = SAGAS_KEPT
    """For how many days a saga that has ended is kept; None for ever."""


_KEYS = frozenset(
    {
        "MANIFEST",
        "TABLE",
        "KEYS",
        "PARTY",
        "EDGE",
        "IDENTIFY",
        "WIRING",
        "DATABASE",
        "DOOR",
        "WAITING",
        "OUTBOX",
        "SAGAS_KEPT",
    }
)
_REQUIRED = {
    "MANIFEST": "the path of capabilities.toml",
    "TABLE": "the path of the folder to keep the routing table in",
    "KEYS": "the path of the folder that holds the parties' keys",
}
_FROM_ENVIRONMENT = ("EDGE", "MANIFEST", "TABLE", "KEYS", "DOOR")


class BadSettings(ImproperlyConfigured):
    """``STRANGLER`` is missing or wrong; ``problems`` lists everything that is."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


@cache
def settings() -> Settings:
    """The project's ``STRANGLER``.

    The environment's ``STRANGLER_EDGE``, ``_MANIFEST``, ``_TABLE``, ``_KEYS`` and ``_DOOR`` win
    over it.

    Raises:
        BadSettings: with every problem at once.
    """
    return read(getattr(django_settings, "STRANGLER", None), os.environ)


@cache
def manifest() -> Manifest:
    """The manifest that the settings name, read once.

    Raises:
        BadSettings: the settings are wrong.
        ManifestErrors: the manifest is, with everything that is.
    """
    return load(settings().manifest)


def read(setting: object, environ: Mapping[str, str]) -> Settings:
    """Typed settings from the raw setting and the environment.

    Raises:
        BadSettings: with every problem at once.
    """
    if not isinstance(setting, Mapping):
        found = "is missing" if setting is None else f"is a {type(setting).__name__}"
        needed = ", ".join(f'"{key}": {what}' for key, what in _REQUIRED.items())
        raise BadSettings((f"the setting STRANGLER {found}: make it a dict with {needed}",))
    values: dict[str, Any] = {str(key): value for key, value in setting.items()}
    problems = [
        f"STRANGLER has no key {key!r}: it knows {', '.join(sorted(_KEYS))}"
        for key in sorted(values.keys() - _KEYS)
    ]
    for key in _FROM_ENVIRONMENT:
        if environ.get(f"STRANGLER_{key}"):
            values[key] = environ[f"STRANGLER_{key}"]
    problems += [
        f'STRANGLER lacks "{key}": give it {what}'
        for key, what in _REQUIRED.items()
        if not values.get(key)
    ]
    paths = {}
    for key in _REQUIRED:
        value = values.get(key) or "."
        if isinstance(value, str | os.PathLike):
            paths[key] = Path(value).absolute()
        else:
            problems.append(f'STRANGLER["{key}"] is {value!r}: make it a path')
    for key in ("PARTY", "IDENTIFY", "WIRING", "DATABASE", "DOOR"):
        value = values.get(key)
        if value is not None and (not isinstance(value, str) or not value):
            problems.append(f'STRANGLER["{key}"] is {value!r}: make it a string, or leave it out')
    problems += _door(values.get("DOOR"), values.get("WAITING"))
    problems += _outbox(values.get("OUTBOX"))
    problems += _sagas_kept(values.get("SAGAS_KEPT"))
    edge = values.get("EDGE") or Edge.MIDDLEWARE
    if edge not in list(Edge):
        known = " or ".join(f'"{known}"' for known in Edge)
        problems.append(f"STRANGLER_EDGE is {edge!r}: make it {known}")
    if problems:
        raise BadSettings(tuple(problems))
    return Settings(
        manifest=paths["MANIFEST"],
        table=paths["TABLE"],
        keys=paths["KEYS"],
        party=values.get("PARTY") or "monolith",
        edge=Edge(edge),
        identify=values.get("IDENTIFY"),
        wiring=values.get("WIRING"),
        database=values.get("DATABASE") or "default",
        door=values.get("DOOR") or None,
        waiting=values.get("WAITING"),
        outbox=values.get("OUTBOX", LIMIT),
        sagas_kept=values.get("SAGAS_KEPT", SAGAS_KEPT),
    )


def _door(url: object, waiting: object) -> Iterator[str]:
    scheme = url.partition("://")[0] if isinstance(url, str) else ""
    if scheme and scheme.partition("+")[0] not in {"postgres", "postgresql", "sqlite"}:
        yield f'STRANGLER["DOOR"] is a URL of {scheme!r}: make it postgresql:// or sqlite:///'
    if waiting is not None and (type(waiting) is not int or waiting < 1):
        yield f'STRANGLER["WAITING"] is {waiting!r}: make it a number, 1 at least'


def _outbox(limit: object) -> Iterator[str]:
    if limit is not None and (type(limit) is not int or limit < 1):
        yield f'STRANGLER["OUTBOX"] is {limit!r}: make it a number, 1 at least, or None'


def _sagas_kept(days: object) -> Iterator[str]:
    if days is not None and (type(days) is not int or days < 1):
        yield f'STRANGLER["SAGAS_KEPT"] is {days!r}: make it a number of days, 1 at least, or None'


def _forget(*, setting: str, **_: object) -> None:
    if setting == "STRANGLER":
        settings.cache_clear()
        manifest.cache_clear()


setting_changed.connect(_forget)
