"""Who carries: processes of relays, and with the http bus their pushers."""

from __future__ import annotations

import logging
import threading
import time
from functools import partial

from strangler.events import relay
from strangler.events.buses.connect import connect as connect_bus
from strangler.events.buses.database.queue import QueueLeases
from strangler.events.buses.database.sqlite import SqliteQueue
from strangler.events.buses.push import Pusher
from strangler.events.buses.redis import scripts
from strangler.events.buses.redis.link import Link
from strangler.events.relay import Relay
from strangler.events.relaying import Relaying
from strangler.events.stores import base
from strangler.events.stores.connect import connect
from strangler.events.stores.postgres import PostgresStore
from strangler.events.stores.sqlite import SqliteStore
from strangler.manifest import load
from strangler.ports.trust.keys import Keyring
from tests.chaos.events import mutations
from tests.chaos.events.points import Points, statement
from tests.chaos.events.world import LEASE, World

_SCRIPTS = {text: name for name, text in vars(scripts).items() if name.isupper()}


def carry(world: World, fatal: tuple[str, int] | None = None) -> None:
    """Until the end."""
    logging.disable(logging.WARNING)
    points = Points(world, "relay", fatal)
    relay.LEASE = base.LEASE = LEASE  # type: ignore[misc]  # a stopped one is outlived sooner
    relay.RENEW = LEASE / 5
    relay.BATCH = 200  # so that it is behind at times, and reads ahead
    stepping(points)
    mutations.apply(world.mutation)
    for store in (PostgresStore, SqliteStore):
        for name in ("_run", "_changed"):
            points.around(store, name, lambda _self, sql, *_: statement(sql))
    if world.postgres:
        stop = threading.Event()
        one = Relay(partial(connect, world.speaks), partial(connect_bus, world.bus))
        threading.Thread(target=one.run, args=(stop,), daemon=True).start()
        _until(world)
        stop.set()
        return
    manifest = load(world.folder / "capabilities.toml")
    keyring = Keyring.load(world.folder / "keys", "monolith")
    points.around(Pusher, "_handed_over", lambda *_, **__: "a batch is handed over")
    points.around(SqliteQueue, "read", lambda *_, **__: "reading a queue")
    points.around(SqliteQueue, "delete", lambda *_, **__: "deleting from a queue")
    for name in ("look", "take", "leave"):
        points.around(QueueLeases, name, lambda *_, name=name: f"leases of a queue: {name}")
    table = world.folder / "table"
    with Relaying(world.speaks, bus=world.bus, manifest=manifest, keyring=keyring, table=table):
        _until(world)


def stepping(points: Points) -> None:
    """Let whatever is said to a broker be a step."""
    points.around(Link, "run", lambda _self, *command: str(command[0]))
    points.around(Link, "script", lambda _self, source, *_: f"script {_SCRIPTS[source]}")
    points.around(SqliteQueue, "put", lambda *_, **__: "putting into queues")


def _until(world: World) -> None:
    while not world.ending.exists():
        time.sleep(0.05)
