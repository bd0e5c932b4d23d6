"""What this process tells the ports about itself. Nothing here touches the database."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings
from django.db import connections

import strangler
from strangler.django import conf
from strangler.django.boot import NOT_WIRED
from strangler.django.doors import arriving, known
from strangler.django.edge.pins import Pins
from strangler.django.observing import observations
from strangler.django.ports import placing
from strangler.django.ports.replays import DatabaseReplays
from strangler.django.shadow import rehearsing
from strangler.ladder import Arm
from strangler.manifest import ManifestErrors, Resilience
from strangler.ports import context, runtime
from strangler.ports.declare import Method
from strangler.ports.guard import CallInTransaction
from strangler.ports.trust.keys import Keyring, KeysUnusable
from strangler.routing.decide import Kind

_log = logging.getLogger("strangler.ports")
_KIT = str(Path(strangler.__file__).parent)


def wire() -> None:
    """Configure the ports, and import the project's own wiring.

    With bad settings or a bad manifest nothing is wired: the system checks and the middleware say
    what is wrong.
    """
    try:
        settings, manifest = conf.settings(), conf.manifest()
    except (conf.BadSettings, ManifestErrors) as error:
        _log.error(NOT_WIRED, error)
        return
    runtime.configure(
        party=settings.party,
        arm=Arm.MONOLITH,
        keyring=_keyring(settings),
        place=placing.place,
        fallback=placing.fallback,
        arrived=_arrived,
        urls=_urls,
        audience=_audience,
        resilience=_resilience,
        placements={name: one.placement for name, one in manifest.capabilities.items()},
        observe=_observe,
        guard=Guard(),
        replays=DatabaseReplays(),
        door=known.enter,
        epoch=placing.epoch,
        sampled=rehearsing.sampled,
    )
    if settings.wiring:
        import_module(settings.wiring)


def _arrived(capability: str, deadline: float | None) -> bool:
    if not arriving.arrived(capability, deadline):
        return False
    pins = context.current().pins
    if isinstance(pins, Pins):
        pins.arrived(capability)
    return True


def _keyring(settings: conf.Settings) -> Keyring | None:
    try:
        return Keyring.load(settings.keys, settings.party)
    except KeysUnusable:
        return None  # The system checks say so, and so does whatever call needs a key.


def _urls(capability: str, arm: Arm) -> Sequence[str]:
    manifest = conf.manifest()
    if arm is Arm.MONOLITH:
        return (manifest.edge.monolith,)
    return manifest.capabilities[capability].service


def _audience(capability: str, arm: Arm) -> str:
    return conf.settings().party if arm is Arm.MONOLITH else capability


def _resilience(capability: str) -> Resilience:
    return conf.manifest().capabilities[capability].resilience


def _observe(capability: str, arm: Arm, kind: Kind, outcome: str, seconds: float) -> None:
    fallback = outcome == "fallback"
    observations.record(
        capability,
        Arm.SERVICE if fallback else arm,
        kind,
        failed=fallback or outcome == "failed",
        fallback=fallback,
        seconds=seconds,
    )


class Guard:
    """Notices port calls inside an open transaction: it raises in tests, and warns in development.

    Two kinds of transactions do not count: a TestCase's own, and those around a shadow's question,
    which are never committed.
    """

    def __init__(self) -> None:
        self._debug = bool(django_settings.DEBUG)
        self._warned: set[str] = set()

    def __call__(self, method: Method) -> None:
        """Look at every database of this thread.

        Raises:
            CallInTransaction: in a test run, if a transaction is open.
        """
        # Only now: a test run begins after the apps are ready.
        testing = observations.testing()
        if not (testing or self._debug) or context.current().shadow:
            return
        for connection in connections.all(initialized_only=True):
            blocks: Any = connection
            # TestCase marks the blocks that it opens itself.
            if all(block._from_testcase for block in blocks.atomic_blocks):  # noqa: SLF001  # there is no public mark
                continue
            trouble = CallInTransaction(method, connection.alias)
            if testing:
                raise trouble
            self._warn(str(trouble))

    def _warn(self, message: str) -> None:
        frames = [
            frame for frame in traceback.extract_stack() if not frame.filename.startswith(_KIT)
        ]
        where = f"{frames[-1].filename}:{frames[-1].lineno}"
        if where not in self._warned:
            self._warned.add(where)
            _log.warning("%s: %s", where, message)
