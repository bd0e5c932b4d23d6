"""Sagas of a Django project: kept in its database, found in its apps' modules ``sagas``.

::

    from strangler.django.saga import engine

    seen = engine().start(PLACE, Placing(order=…), key=str(order))
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Any

from django.apps import apps
from django.utils.module_loading import autodiscover_modules

from strangler.django import conf
from strangler.ports.context import job
from strangler.saga.declare import Saga
from strangler.saga.running import Running

__all__ = ["engine", "sweep"]

MODULE = "sagas"
BATCH = 100
WITHIN = 60.0
"""Seconds after which a sweep begins with no other saga: whatever runs it may be limited."""
PRUNED = 200
"""Sagas that are forgotten at once."""
PRUNING = 60.0
"""Seconds between two looks for such, in each process that sweeps."""


def engine() -> Running:
    """The project's engine. Its sagas are kept in the database of the control plane's tables.

    A local step writes in the same transaction only what is in that database, too.
    """
    return _engine(conf.settings().database)


@cache
def _engine(using: str) -> Running:
    from strangler.django.saga.store import Tables  # noqa: PLC0415 - the models exist by now

    return Running(Tables(using), _declared())


def _declared() -> list[Saga[Any]]:
    """Every saga that stands in a module ``sagas`` of an installed app."""
    autodiscover_modules(MODULE)
    return list(dict.fromkeys(_found()))


def _found() -> Iterator[Saga[Any]]:
    for app in apps.get_app_configs():
        module = sys.modules.get(f"{app.name}.{MODULE}")
        for value in vars(module).values() if module is not None else ():
            if isinstance(value, Saga):
                yield value


def sweep(limit: int = BATCH) -> int:
    """Go on with at most so many sagas that were left behind; how many there were.

    Now and then it forgets some that ended long ago, too.

    As often, and by as many at once, as one likes.
    """
    with job():
        swept = engine().sweep(limit, within=WITHIN)
    _pruning.go_on()
    return swept


class _Pruning:
    """Forgets what has ended long ago: some at a time, and without a pause while there are more."""

    def __init__(self) -> None:
        self._next = 0.0

    def go_on(self) -> None:
        days = conf.settings().sagas_kept
        if days is None or time.monotonic() < self._next:
            return
        if engine().prune(timedelta(days=days), limit=PRUNED) < PRUNED:
            self._next = time.monotonic() + PRUNING


_pruning = _Pruning()
