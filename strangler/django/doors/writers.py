"""Who writes: the view, task or command that this thread is busy with, for the journal to name.

On PostgreSQL the name stands in a comment at the end of each statement that writes a capability's
table; on SQLite the connection is told. A writer is inside the door or it is not: the census of
those that are not is what the gate to ``live`` wants empty.
"""

from __future__ import annotations

import re
import sys
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

from django.core.signals import setting_changed
from django.http import HttpRequest

from strangler.django import conf, tables
from strangler.django.boot import ImproperlyConfigured
from strangler.django.edge.contexts import Outside
from strangler.manifest import ManifestErrors
from strangler.ports import runtime
from strangler.ports.context import current
from strangler.ports.inside import Inside
from strangler.transfer.rehearsed import stamped

_LONGEST = 200
_ODD = re.compile(r"[^\w.:@/<> -]")
_PLAIN = re.compile(
    r"\s*(?:INSERT\s+(?:OR\s+\w+\s+)?INTO|UPDATE|DELETE\s+FROM|REPLACE\s+INTO|TRUNCATE(?:\s+TABLE)?)"
    r'\s+(?:ONLY\s+)?(?:"?\w+"?\s*\.\s*)?"?(\w+)"?',
    re.IGNORECASE,
)
"""How almost every statement begins that writes."""
_READS = ("SELECT", "SAVEPO", "RELEAS", "ROLLBA", "PRAGMA", "BEGIN")

_doing: ContextVar[str | HttpRequest | None] = ContextVar("strangler_doing", default=None)
_rehearsed: ContextVar[tuple[str, str] | None] = ContextVar("strangler_rehearsed", default=None)


class doing(Inside[str | HttpRequest]):  # noqa: N801  # a context manager, read as a participle
    """Whatever is written inside is written by this: a name, or a request that will have a view."""

    __slots__ = ()

    def __init__(self, what: str | HttpRequest) -> None:
        super().__init__(_doing, what)


class rehearsed(Inside[tuple[str, str]]):  # noqa: N801  # a context manager, read as a participle
    """Whatever is written inside of this capability's rows is a command's that is rehearsed."""

    __slots__ = ()

    def __init__(self, capability: str, rehearsal: str) -> None:
        super().__init__(_rehearsed, (capability, rehearsal))


def is_rehearsed(capability: str) -> bool:
    """Is a command of this capability under way that is rehearsed?"""
    under_way = _rehearsed.get()
    return under_way is not None and under_way[0] == capability


def signature(capability: str) -> str:
    """Who writes rows of this capability, and for which rehearsal."""
    under_way = _rehearsed.get()
    if under_way is None or under_way[0] != capability:
        return writer()
    return stamped(writer(), under_way[1])


def writer() -> str:
    """Who writes, in a word that may stand in a comment; "" for nobody known."""
    what = _doing.get()
    if what is None:
        context = current()
        what = context.request if isinstance(context, Outside) else _process()
    return _ODD.sub("_", what if isinstance(what, str) else _view(what))[:_LONGEST]


def inside(capability: str) -> bool:
    """Has whoever writes come in by the capability's door?"""
    return f"{capability}@{runtime.wiring.arm}" in current().doors


def written(sql: str) -> str | None:
    """The capability whose table a statement writes; None for none."""
    if sql[:6] in _READS:
        return None
    known, anywhere = _tables()
    if not known:
        return None
    plain = _PLAIN.match(sql)
    if plain is not None:
        return known.get(plain[1])
    found = anywhere.search(sql)
    return known[found[0]] if found is not None and sql[:6].upper() not in _READS else None


@cache
def _tables() -> tuple[dict[str, str], re.Pattern[str]]:
    """The capability of each table, and what finds any of them."""
    try:
        capabilities = conf.manifest().capabilities.values()
    except (ImproperlyConfigured, ManifestErrors):
        capabilities = ()  # type: ignore[assignment]  # what is wrong is said by the system checks
    known = {
        model._meta.db_table: capability.name  # noqa: SLF001  # Django's documented name for it
        for capability in capabilities
        for model in tables.tables(capability)
    }
    names = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
    return known, re.compile(rf"\b(?:{names})\b" if names else r"(?!)")


def _view(request: Any) -> str:
    """The view that answers a request: dotted, or by its name in the admin."""
    match = request.resolver_match
    if match is None:
        return f"{request.method} {request.path}"
    if match.namespaces:
        return str(match.view_name)
    return str(match._func_path)  # noqa: SLF001  # ResolverMatch's repr shows it, and nothing else


@cache
def _process() -> str:
    """What this process was started for."""
    name = Path(sys.argv[0] if sys.argv else "").name
    if name in {"manage.py", "django-admin", "django-admin.py"} and len(sys.argv) > 1:
        return f"manage.py {sys.argv[1]}"
    return name


def _forget(*, setting: str, **_: object) -> None:
    if setting in {"STRANGLER", "INSTALLED_APPS"}:
        _tables.cache_clear()


setting_changed.connect(_forget)
