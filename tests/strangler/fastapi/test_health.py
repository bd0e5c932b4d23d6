"""What a service tells anybody about itself, and what it needs to be ready."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.requests import Request

from strangler.fastapi.health import Health
from strangler.ports.freezing.freeze import digest
from tests.strangler.fastapi.running import Party, Service
from tests.strangler.fastapi.sample import Garden

ABOUT = {"capability": "garden", "build": "b-17", "contracts": {"garden": digest(Garden)}}


@pytest.mark.parametrize(("path", "status"), [("/healthz", "alive"), ("/readyz", "ready")])
def test_it_says_what_is_deployed(garden: Service, path: str, status: str):
    answer = garden.get(path)
    assert (answer.status, answer.json()) == (200, {"status": status, **ABOUT})


def test_the_monolith_need_not_be_there_to_be_ready(garden: Service):
    """It is not: nothing listens where the manifest says."""
    assert garden.get("/readyz").status == 200


def readiness(health: Health) -> tuple[int, Any]:
    """What the endpoint of this very object answers."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    (ready,) = (route for route in health.routes() if route.path == "/readyz")
    request = Request({"type": "http", "method": "GET", "path": "/readyz", "headers": []})
    asyncio.run(ready.handle(request.scope, request.receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_everything_that_is_missing_is_named_at_once():
    def away() -> None:
        raise ConnectionError("the database is away")

    def broken() -> None:
        raise KeyError

    checks = {"database": away, "cache": broken, "disk": lambda: None}
    health = Health(about={}, contracts={}, checks=checks)
    status, body = readiness(health)
    assert (status, body["status"]) == (503, "not ready")
    assert body["missing"] == {"database": "the database is away", "cache": "KeyError"}
    health.draining = True
    assert readiness(health)[1]["missing"]["shutdown"] == "the process is stopping"


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/", "/api/kitchen/x", "/_strangler/x"])
def test_nothing_else_is_there_for_anybody(garden: Service, edge: Party, path: str):
    assert garden.get(path).error == (404, "NotFound")
    assert edge.ask("GET", path).error == (404, "NotFound")
