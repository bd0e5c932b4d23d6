"""The doors that this process's commands pass: one for each capability that has tables."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from django.core.signals import setting_changed
from django.db import connections, router

from strangler.django import conf, tables
from strangler.django.ports import placing
from strangler.django.transfer.places import django_url
from strangler.ladder import Arm, Stage
from strangler.ports import forks
from strangler.transfer.connect import door as connected
from strangler.transfer.door import Door
from strangler.transfer.entering import entering
from strangler.transfer.errors import Unfit

_MOVED = frozenset({Stage.REPLICATING, Stage.SHADOW, Stage.CANARY, Stage.LIVE, Stage.RETIRED})


class _Doors:
    """What has been made so far; another database makes another door."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int | None], tuple[str, Door]] = {}
        self.after_fork()
        forks.watch(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()

    def get(self, name: str, url: str, waiting: int | None) -> Door:
        key = (name, waiting)
        known = self._known.get(key)
        if known is not None and known[0] == url:
            return known[1]
        with self._lock:
            known = self._known.get(key)
            if known is None or known[0] != url:
                made = connected(url, capability=name, arm=Arm.MONOLITH, waiting=waiting)
                self._known[key] = known = (url, made)
            return known[1]


_doors = _Doors()


def door(name: str, *, waiting: int | None = None) -> Door | None:
    """The door of a capability on the monolith's side, at which so many may wait.

    None where there is nothing to pass: it has no tables, or its rows have never begun to move, or
    they are in a database that transfer does not know.
    """
    alias = _alias(name)
    if alias is None:
        return None
    entry = placing.entry(name)
    if entry is not None and entry.stage not in _MOVED:
        return None
    url = conf.settings().door or _url(alias)
    return _doors.get(name, url, waiting) if url else None


@contextmanager
def enter(name: str, deadline: float) -> Iterator[int | None]:
    """Hold the door, as ``runtime.wiring.door`` wants it.

    Raises:
        NotOwner: the service owns the rows.
        DoorShut: the door has not opened in time, or nobody can say who owns.
    """
    with _entering(door(name), name, deadline) as epoch:
        yield epoch


@contextmanager
def enter_in_line(name: str, deadline: float) -> Iterator[int | None]:
    """The same for a request which whoever has sent it sends again if too many wait already.

    Raises:
        NotOwner: the service owns the rows.
        DoorShut: too many wait, or the door has not opened in time, or nobody can say who owns.
    """
    with _entering(door(name, waiting=_waiting()), name, deadline) as epoch:
        yield epoch


@contextmanager
def _entering(found: Door | None, name: str, deadline: float) -> Iterator[int | None]:
    if found is None:
        yield None
        return
    with entering(found, name, Arm.MONOLITH, deadline) as epoch:
        yield epoch


@cache
def _alias(name: str) -> str | None:
    """The alias of the database that the capability's models are written to."""
    capability = conf.manifest().capabilities.get(name)
    models = tables.tables(capability) if capability is not None else ()
    return router.db_for_write(models[0]) if models else None


def _url(alias: str) -> str | None:
    settings = connections[alias].settings_dict
    name = str(settings["NAME"])
    if settings["ENGINE"].endswith("sqlite3") and (":memory:" in name or "mode=memory" in name):
        return None
    try:
        return django_url(alias)
    except Unfit:
        return None


def _waiting() -> int | None:
    """How many of this machine's workers may wait: behind an edge that sends again, a third."""
    settings = conf.settings()
    if settings.waiting is not None or settings.edge is conf.Edge.MIDDLEWARE:
        return settings.waiting
    workers = os.environ.get("WEB_CONCURRENCY", "")
    return max(1, int(workers) // 3) if workers.isdecimal() else 1


def _forget(*, setting: str, **_: object) -> None:
    if setting in {"STRANGLER", "DATABASES", "DATABASE_ROUTERS", "INSTALLED_APPS"}:
        _alias.cache_clear()


setting_changed.connect(_forget)
