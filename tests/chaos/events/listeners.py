"""Who listens: consumers that pull, and consumers that are brought events over HTTP."""

from __future__ import annotations

import logging
import os
import socketserver
import sys
import threading
import time
from functools import partial
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from fastapi import FastAPI
from sqlalchemy import event as listening_to
from sqlalchemy import insert

from strangler.events import consuming, parking
from strangler.events.buses.connect import connect
from strangler.events.buses.redis.subscription import RedisSubscription
from strangler.events.consumer import Consumer
from strangler.events.consuming import Listening
from strangler.events.receiving import PATH, receive
from strangler.events.subscribe import Handlers
from strangler.fastapi.app import service
from strangler.fastapi.server import main
from strangler.ladder import Arm
from strangler.ports import runtime
from strangler.ports.trust.keys import Keyring
from strangler.sqlalchemy.database import Database
from strangler.sqlalchemy.events.ledger import consumer
from strangler.transfer.sqlite import SqliteDatabase
from tests.chaos.events import mutations, relays
from tests.chaos.events.points import Points, statement
from tests.chaos.events.world import GARDEN, World
from tests.strangler.events.listening import Base, Effect, Inbox, ParkedEvent
from tests.strangler.events.sample import StarSeen
from tests.strangler.fastapi.sample import Garden, GardenService

POISONOUS = "Algol"
"""The one star that nobody can handle, where there is any."""


class Unseen(Exception):
    """It can't be handled."""


def prepare(world: World) -> None:
    """Make each consumer's tables; where there is a door, say that this side owns them."""
    for name, url in world.hears.items():
        with Database(url) as database:
            Base.metadata.create_all(database.engine)
        if not world.postgres and name == GARDEN:
            _own(url)


def _own(url: str) -> None:
    session = SqliteDatabase(url, capability=GARDEN, arm=Arm.SERVICE, tables=["effect"]).session()
    session.install(owner=Arm.SERVICE, epoch=3)
    session.seize(3)
    with session.step(token=3, epoch=3) as step:
        step.record(owner=Arm.SERVICE, epoch=3, frozen=False)
    session.close()


def made(world: World, name: str) -> tuple[Database, Consumer]:
    """A consumer that writes down, in its own database, what it was told."""
    database = Database(world.hears[name], connections=6)
    handlers = Handlers(name)
    mended = world.folder / "mended"

    @handlers.on
    def remember(event: StarSeen) -> None:
        if event.name == POISONOUS and not mended.exists():
            raise Unseen(event.name)
        with database.transaction() as session:
            session.execute(insert(Effect).values(name=event.name, number=event.number))

    return database, consumer(handlers, database, Inbox, ParkedEvent)


def _stepping(world: World, name: str, database: Database, fatal: tuple[str, int] | None) -> None:
    points = Points(world, name, fatal)
    engine = database.engine

    def before(_c: Any, _k: Any, sql: str, *_: Any) -> None:
        points(f"before {statement(sql)}")

    def after(_c: Any, _k: Any, sql: str, *_: Any) -> None:
        points(f"after {statement(sql)}")

    listening_to.listen(engine, "before_cursor_execute", before)
    listening_to.listen(engine, "after_cursor_execute", after)
    listening_to.listen(engine, "commit", lambda _: points("before COMMIT"))
    points.around(Consumer, "_together", lambda *_, **__: "taking a batch")
    points.around(RedisSubscription, "receive", lambda *_, **__: "receiving")
    points.around(RedisSubscription, "acknowledge", lambda *_, **__: "acknowledging")
    relays.stepping(points)


def pull(world: World, name: str, fatal: tuple[str, int] | None = None) -> None:
    """A process that pulls from a broker, until the end."""
    logging.disable(logging.WARNING)
    mutations.apply(world.mutation)
    consuming.LONGEST = consuming.EVERY = 0.3  # type: ignore[misc]  # nobody waits for long here
    database, heard = made(world, name)
    _stepping(world, name, database, fatal)
    with database, Listening([heard], partial(connect, world.bus)):
        while not world.ending.exists():
            time.sleep(0.05)


def chassis(world: World, number: int, fatal: tuple[str, int] | None = None) -> None:
    """A process of a service that is brought events, until it is terminated."""
    logging.disable(logging.WARNING)
    mutations.apply(world.mutation)
    ports = world.ports or {}
    sys.argv = [GARDEN, "--port", str(ports[f"{GARDEN}{number}"])]
    os.environ |= {
        "STRANGLER_MANIFEST": str(world.folder / "capabilities.toml"),
        "STRANGLER_KEYS": str(world.folder / "keys"),
        "STRANGLER_LOG_LEVEL": "ERROR",
    }
    database, heard = made(world, GARDEN)
    _stepping(world, GARDEN, database, fatal)

    def create() -> FastAPI:
        url = world.hears[GARDEN]
        return service(Garden, GardenService(), database=url, during=[database], consumer=heard)

    sys.exit(main(create, program=GARDEN, port=0))


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


def wsgi(world: World, name: str, fatal: tuple[str, int] | None = None) -> None:
    """A process with the kit's endpoint in a plain WSGI server, until the end."""
    logging.disable(logging.WARNING)
    mutations.apply(world.mutation)
    runtime.configure(party="monolith", keyring=Keyring.load(world.folder / "keys", "monolith"))
    database, heard = made(world, name)
    _stepping(world, name, database, fatal)

    def app(environ: dict[str, Any], start: Any) -> list[bytes]:
        called = environ["PATH_INFO"].removeprefix(PATH)
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0))
        headers = {
            key.removeprefix("HTTP_").replace("_", "-").lower(): value
            for key, value in environ.items()
            if key.startswith(("HTTP_", "CONTENT_TYPE"))
        }
        if called != name:  # the service's
            start("421 elsewhere", [("Content-Length", "0")])
            return [b""]
        answer = receive(heard, called, body, headers)
        start(f"{answer.status} said", list(answer.headers.items()))
        return [answer.body]

    server = _Server(("127.0.0.1", (world.ports or {})[name]), _Quiet)
    server.set_app(app)  # type: ignore[arg-type]  # its own types are of another module
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while not world.ending.exists():
        time.sleep(0.05)


def replayed(world: World, name: str) -> int:
    """Replay all that is set aside; how many were handled."""
    database, heard = made(world, name)
    with database:
        return parking.replay(heard).handled
