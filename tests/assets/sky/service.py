"""The weather as a service of its own: ``python -m tests.assets.sky.service PORT``."""

from __future__ import annotations

import sys
from typing import Any

from fastapi import APIRouter, Request

from strangler.fastapi.app import service
from strangler.fastapi.server import run
from strangler.ports.context import current
from tests.assets.sky.port import Weather, WeatherService

router = APIRouter()


@router.api_route("/weather/{place}", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
async def weather(request: Request, place: str) -> dict[str, Any]:
    context = current()
    return {
        "place": place,
        "method": request.method,
        "query": request.url.query,
        "size": len(await request.body()),
        "user": context.user.id if context.user else None,
        "roles": list(context.user.roles) if context.user else [],
        "cohort": context.cohort,
        "cookies": request.headers.get("cookie"),
        "trace": context.trace.trace if context.trace else None,
    }


if __name__ == "__main__":
    app = service(Weather, WeatherService(), routers=[router])
    run(app, host="127.0.0.1", port=int(sys.argv[1]), drain=0)
