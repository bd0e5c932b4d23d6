"""Events where one process is a whole project: ``manage.py runserver``."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from strangler.django import conf
from strangler.django.events import running, speaking
from strangler.events.subscribe import BadHandler, NoConsumer
from strangler.ports.trust.keys import KeysUnusable
from strangler.transfer.database import Unfit

URL = "STRANGLER_MONOLITH_URL"

_log = logging.getLogger("strangler.events")


@contextmanager
def carried(url: str) -> Iterator[None]:
    """For as long as the block runs, events are carried and listened to, all in this process.

    It does what ``strangler relay`` and ``strangler consume`` do in production. What is wrong with
    the project is logged, and the rest goes on.

    Args:
        url: where this process serves, which may not be what the manifest says.
    """
    if not os.environ.get(URL):
        os.environ[URL] = url
        conf.manifest.cache_clear()
    with ExitStack() as stack:
        try:
            for one in speaking.relaying():
                stack.enter_context(one)
            stack.enter_context(running.listening())
        except (BadHandler, KeysUnusable, NoConsumer, Unfit) as error:
            _log.error("events stay where they are: %s", error)
        yield
