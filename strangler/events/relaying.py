"""What carries events out of one database, as threads: a relay, and with the http bus its pushers.

::

    with Relaying("sqlite:////srv/catalog.sqlite3", bus="redis://127.0.0.1:6379/0"):
        ...
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from strangler.events.buses import BadBus, Bus, Subscription
from strangler.events.buses.connect import connect as connect_bus
from strangler.events.buses.push import Pusher, Target, Targets
from strangler.events.outbox import LIMIT
from strangler.events.relay import Relay
from strangler.events.stores import StoreError
from strangler.events.stores.connect import connect as connect_store
from strangler.events.stores.connect import prepared
from strangler.ladder import Arm
from strangler.manifest import Manifest
from strangler.ports.trust.keys import Keyring
from strangler.routing.table import Table, TableUnusable

PATIENCE = 5.0
"""Seconds that what is under way may take to end."""
FRESH = 1.0
"""Seconds for which the routing table's word about an owner is good."""
LOOK = 10.0
"""Seconds between two looks at a database that has no outbox yet."""
MONOLITH = "monolith"

_log = logging.getLogger("strangler.relay")


class Relaying:
    """The threads of one database's events, as long as its block runs.

    Args:
        database: the URL of who speaks.
        bus: the URL of what carries.
        manifest: who listens to what, and where; only the http bus asks.
        keyring: who hands events over; likewise. Without one, queues fill and others empty them.
        table: the routing table, which says who owns a consumer's rows; without it both arms are
            asked.
        limit: see ``Relay``.
        patient: the database may have no outbox yet, or never: nothing is begun before it has.

    Raises:
        BadBus: the http bus has no manifest, and so nobody to tell.
    """

    def __init__(
        self,
        database: str,
        *,
        bus: str,
        manifest: Manifest | None = None,
        keyring: Keyring | None = None,
        table: Path | None = None,
        limit: int | None = LIMIT,
        patient: bool = False,
    ) -> None:
        self.patient = patient
        self._database = database
        pushed = bus.partition("?")[0] == "http"
        if pushed and manifest is None:
            raise BadBus("the http bus asks the manifest who listens: name it, by --manifest")
        consumers = manifest.subscribers if manifest is not None else None
        make_bus = partial(connect_bus, bus, database=database, consumers=consumers)
        self.relay = Relay(
            partial(connect_store, database),
            make_bus,
            limit=limit,
            listeners=listeners(manifest) if manifest is not None and pushed else None,
        )
        self._stop = threading.Event()
        runs: list[Callable[[threading.Event], None]] = [self.relay.run]
        if manifest is not None and keyring is not None and pushed:
            runs += [
                Pusher(name, subscribing(make_bus, name, topics), targets(manifest, name, table),
                       keyring).run
                for name, topics in listeners(manifest).items()
            ]  # fmt: skip
        self._threads = [
            threading.Thread(target=run, args=(self._stop,), daemon=True, name="strangler relay")
            for run in runs
        ]
        self._looking = threading.Thread(target=self._look, daemon=True, name="strangler relay")

    def __enter__(self) -> Self:
        if self.patient:
            self._looking.start()
        else:
            self._begin()
        return self

    def _begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def _look(self) -> None:
        """Begin once there is an outbox."""
        while not self._prepared():
            if self._stop.wait(LOOK):
                return
        _log.info("a database has an outbox now: its events are carried")
        self._begin()

    def _prepared(self) -> bool:
        try:
            return prepared(self._database)
        except StoreError:
            return False  # it may be back the next time

    def __exit__(self, *_: object) -> None:
        self.stop()
        until = time.monotonic() + PATIENCE
        for thread in (self._looking, *self._threads):
            if thread.ident is not None:
                thread.join(max(0.0, until - time.monotonic()))

    def stop(self) -> None:
        """Let all of them end; leases are given back."""
        self._stop.set()

    def wait(self) -> None:
        """Until somebody says ``stop``."""
        self._stop.wait()


def listeners(manifest: Manifest) -> Mapping[str, Sequence[str]]:
    """The topics of each consumer of the manifest."""
    return {
        name: sorted({kind.partition(".")[0] for kind in one.subscribes})
        for name, one in manifest.capabilities.items()
        if one.subscribes
    }


def subscribing(
    bus: Callable[[], Bus], consumer: str, topics: Sequence[str]
) -> Callable[[], Subscription]:
    """Opens a consumer's queue."""

    def subscribe() -> Subscription:
        with bus() as connected:
            return connected.subscribe(consumer, topics)

    return subscribe


def targets(manifest: Manifest, consumer: str, table: Path | None) -> Targets:
    """The arms of a consumer, the owner first as far as the routing table tells."""
    monolith = Target((manifest.edge.monolith,), MONOLITH)
    urls = manifest.capabilities[consumer].service
    if not urls:
        return lambda: (monolith,)
    service = Target(tuple(urls), consumer)
    read = Table(table) if table is not None else None
    known, until = (monolith, service), 0.0

    def ask() -> Sequence[Target]:
        nonlocal known, until
        if read is not None and time.monotonic() >= until:
            until = time.monotonic() + FRESH
            try:
                owner = read.entries()[consumer].standing.owner
            except (KeyError, TableUnusable):
                return known
            known = (service, monolith) if owner is Arm.SERVICE else (monolith, service)
        return known

    return ask
