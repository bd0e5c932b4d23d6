"""One service, put together: ports, public face, health, metrics, logs, identity."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from strangler.fastapi import errors, logs, ports
from strangler.fastapi.edge import EdgeMiddleware
from strangler.fastapi.health import Check, Health
from strangler.fastapi.metrics import Metrics, MetricsMiddleware
from strangler.fastapi.settings import ServiceSettings
from strangler.fastapi.wiring import wire
from strangler.manifest import load
from strangler.ports.declare import Port, capability
from strangler.ports.freeze import digest


def service(
    port: type[Port],
    implementation: Port,
    *,
    routers: Sequence[APIRouter] = (),
    checks: Mapping[str, Check] | None = None,
    settings: ServiceSettings | None = None,
) -> FastAPI:
    """The app of one capability's service.

    Args:
        port: the port that it answers for.
        implementation: what answers.
        routers: its public face: the same HTTP paths as the monolith's.
        checks: what has to be there before it takes traffic; each raises what is missing.
        settings: by default, what the environment says.

    Raises:
        ManifestErrors: the manifest is wrong, with everything that is.
        KeysUnusable: the keys are missing or are none.
    """
    settings = settings or ServiceSettings()
    name = capability(port)
    manifest = load(settings.manifest)
    logs.configure(level=settings.log_level, party=name)
    wire(port, implementation, manifest=manifest, settings=settings)
    pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="port")
    metrics = Metrics()
    health = Health(
        about={"capability": name, "build": settings.build},
        contracts={name: digest(port)},
        checks=checks or {},
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        health.draining = True
        pool.shutdown(wait=True)

    app = FastAPI(
        title=name,
        summary=(port.__doc__ or "").partition("\n")[0],
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.health = health
    app.router.routes.extend([*health.routes(), *metrics.routes()])
    app.router.routes.append(ports.route(pool, callers=manifest.capabilities[name].callers))
    for router in routers:
        app.include_router(router)
    errors.install(app)
    app.add_middleware(EdgeMiddleware, manifest=manifest)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    return app
