"""The weather's service, which notes each ``?n=NUMBER`` that it is asked with.

``python -m tests.assets.sky.counted_service PORT``
"""

from __future__ import annotations

import sys

from fastapi import APIRouter, Request

from strangler.fastapi.app import service
from strangler.fastapi.server import run
from tests.assets.sky.notes import note
from tests.assets.sky.port import Weather, WeatherService

router = APIRouter()


@router.api_route("/weather/{place}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
async def weather(request: Request, place: str, n: str) -> dict[str, int]:
    size = len(await request.body())
    note("did", "service", request.method, n, str(size))
    return {"size": size}


if __name__ == "__main__":
    app = service(Weather, WeatherService(), routers=[router])
    sys.exit(run(app, host="127.0.0.1", port=int(sys.argv[1]), drain=0))
