"""One service, put together: ports, public face, health, metrics, logs, identity."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from functools import partial

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from strangler.events.consumer import Consumer
from strangler.fastapi import errors, logs
from strangler.fastapi.door import Doorman
from strangler.fastapi.edge import EdgeMiddleware
from strangler.fastapi.events import EventEndpoint, listening, owned
from strangler.fastapi.front import Front, Watched
from strangler.fastapi.health import Check, Health
from strangler.fastapi.metrics import Metrics
from strangler.fastapi.pool import Pool
from strangler.fastapi.ports import PortEndpoint
from strangler.fastapi.settings import ServiceSettings, environment
from strangler.fastapi.watch import Watch
from strangler.fastapi.wiring import wire
from strangler.ladder import Arm
from strangler.manifest import Manifest, load
from strangler.ports import runtime
from strangler.ports.declare import Port, capability
from strangler.ports.freezing.freeze import digest
from strangler.ports.rehearsal import Make
from strangler.routing.paths import RouteMap
from strangler.routing.table import Table
from strangler.transfer.connect import door


class NotInManifest(ValueError):
    """The service answers for what the manifest does not say of it; the message says what."""


def service(
    port: type[Port],
    implementation: Port,
    *,
    routers: Sequence[APIRouter] = (),
    checks: Mapping[str, Check] | None = None,
    during: Sequence[AbstractContextManager[object]] = (),
    settings: ServiceSettings | None = None,
    database: str | None = None,
    rehearsal: Make | None = None,
    consumer: Consumer | None = None,
) -> FastAPI:
    """The app of one capability's service.

    It answers the port's calls, the ``routers``' paths for whoever comes through the edge, and
    ``/healthz``, ``/readyz``, ``/metrics`` and ``/openapi.json`` for anybody.

    Args:
        port: the port that it answers for.
        implementation: what answers.
        routers: its public face: the same HTTP paths as the monolith's.
        checks: what this process itself has to have before it takes traffic, such as its database;
            each raises what is missing. Whether others answer is no such thing, and why not is
            written in ``strangler.fastapi.health``.
        during: what there is as long as the service is up, such as a timer: entered in this order
            before the first request, and left, the last one first, after the end of the last.
        settings: by default, what the environment says.
        database: the URL of the capability's own database, where the door of its commands is; a
            capability without tables has none.
        rehearsal: makes what a command is rehearsed in, in that database; without it none is, and
            the ladder asks for that before the canary.
        consumer: what it does about events; it is told them as the manifest says, while this side
            owns the rows.

    Raises:
        ManifestErrors: the manifest is wrong, with everything that is.
        WrongHandlers: the handlers are not for what the manifest lets it subscribe to.
        NotInManifest: it does not know the capability, or these paths as the capability's.
        KeysUnusable: the keys are missing or are none.
        BadEnvironment: so is the environment.
        Unfit: the database's URL is none.
    """
    settings = settings or environment(ServiceSettings)
    name = capability(port)
    manifest = load(settings.manifest)
    if name not in manifest.capabilities:
        raise NotInManifest(f"{settings.manifest} knows no capability {name!r}: describe it there")
    logs.configure(level=settings.log_level, party=name)
    doorman = ports_door = None
    if database is not None:
        # Calls wait in the pool's threads: only a part of them may, so that the rest goes on.
        most = max(1, settings.threads // 3)
        ports_door = door(database, capability=name, arm=Arm.SERVICE, waiting=most)
        front = door(database, capability=name, arm=Arm.SERVICE)
        doorman = Doorman(name, front, inside=settings.threads + settings.waiting)
    wire(port, implementation, manifest=manifest, settings=settings, door=ports_door)
    runtime.configure(rehearsal=rehearsal)
    pool = Pool(threads=settings.threads, waiting=settings.waiting)
    metrics = Metrics(pool)
    watch = Watch(metrics)
    heard = None
    if consumer is not None:
        capable = manifest.capabilities[name]
        consumer.owns = partial(owned, capable, Table(settings.table) if settings.table else None)
        heard = listening(consumer, capable, manifest.events)
        metrics.hear(heard)
    health = Health(
        about={"capability": name, "build": settings.build},
        contracts={name: digest(port)},
        checks=checks or {},
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        with ExitStack() as stack:
            for one in (*during, *([heard] if heard is not None else [])):
                stack.enter_context(one)
            yield
            health.draining = True
            watch.flush()
            pool.close()
        if doorman is not None and ports_door is not None:
            doorman.close()
            ports_door.close()

    app = _Service(
        title=name,
        summary=(port.__doc__ or "").partition("\n")[0],
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,  # nothing could be tried there without the edge's token
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.health = health
    app.state.pool = pool
    app.router.routes.extend([*health.routes(), *metrics.routes()])
    for router in routers:
        app.include_router(router)
    _check_face(app, manifest, name)
    errors.install(app)
    callers = manifest.capabilities[name].callers
    endpoint = PortEndpoint(port, pool=pool, callers=callers, watch=watch)
    app.add_middleware(EdgeMiddleware, manifest=manifest, capability=name, doorman=doorman)
    app.add_middleware(Watched, watch=watch)  # the outermost
    events = EventEndpoint(consumer, pool=pool, watch=watch)
    app.front = Front(app.behind, ports=endpoint, events=events, metrics=metrics, health=health)
    return app


class _Service(FastAPI):
    """An app with a front before it: what FastAPI does for every request, no port call pays for."""

    front: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.front(scope, receive, send)

    async def behind(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What FastAPI itself does with a request."""
        await super().__call__(scope, receive, send)


def _check_face(app: FastAPI, manifest: Manifest, name: str) -> None:
    routes = RouteMap(manifest)
    strays = []
    for template in app.openapi()["paths"]:
        match = routes.match(re.sub(r"\{[^}]*\}", "x", template))
        if match is None or match.capability != name:
            strays.append(template)
    if strays:
        known = ", ".join(manifest.capabilities[name].routes)
        raise NotInManifest(
            f"{', '.join(strays)}: no edge would send that here, since {name}'s routes in the "
            f"manifest are {known}"
        )
