"""What listens in a process of the monolith: ``strangler consume``, and ``runserver``."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from functools import partial

from django.db import connections

from strangler.django import conf
from strangler.django.events import consuming
from strangler.events.buses.connect import connect
from strangler.events.consuming import Listening
from strangler.events.parking import KEEP


def listening(only: Collection[str] = (), *, keep: timedelta = KEEP) -> Listening:
    """The threads of the project's consumers, or of these.

    Raises:
        NoConsumer: one of them can't listen.
    """
    found = [consuming.consumer(name) for name in only] or list(consuming.consumers().values())
    events = conf.manifest().events
    return Listening(
        found,
        None if events.pushed else partial(connect, events.bus),
        keep=keep,
        ended=connections.close_all,
    )
