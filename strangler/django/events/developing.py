"""Events where one process is a whole project: ``manage.py runserver``."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

from strangler.django import conf
from strangler.django.events import running, speaking
from strangler.events.subscribe import BadHandler, NoConsumer
from strangler.ports import runtime
from strangler.ports.trust.keys import Keyring, KeysUnusable
from strangler.transfer.errors import Unfit

URL = "STRANGLER_MONOLITH_URL"
PATIENCE = 10.0
"""Seconds that what is under way may take to end."""

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
    ending = threading.Event()
    thread = threading.Thread(target=_carry, args=(url, ending), name="events", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join(PATIENCE)


def _carry(url: str, ending: threading.Event) -> None:
    """Once there is somebody to bring events to."""
    where = urlsplit(url)
    while not ending.wait(0.1):
        with suppress(OSError):
            socket.create_connection((where.hostname, where.port), timeout=1).close()
            break
    with ExitStack() as stack:
        try:
            if runtime.wiring.keyring is None:  # it has been made since this process was wired
                settings = conf.settings()
                runtime.configure(keyring=Keyring.load(settings.keys, settings.party))
            for one in speaking.relaying():
                stack.enter_context(one)
            stack.enter_context(running.listening())
        except (BadHandler, KeysUnusable, NoConsumer, Unfit) as error:
            _log.error("events stay where they are: %s", error)
        ending.wait()
