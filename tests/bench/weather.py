"""The small project of ``tests/assets/sky`` in two processes, as the flip bench asks it.

``application`` is its monolith for gunicorn, which says in each answer which worker gave it and
when that worker began; ``python -m tests.bench.weather PORT`` is the service beside it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

MANIFEST = """
[edge]
monolith = "http://127.0.0.1:9"

[capability.weather]
context  = "tests.assets.sky"
owner    = "team-sky"
contract = "tests.assets.sky.port:Weather"
service  = ["http://127.0.0.1:{port}"]
routes   = ["/weather/"]
callers  = []
"""


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The project's own application; ``X-Began`` is on the clock that all processes share."""
    from tests.assets.sky.wsgi import application as sky

    began = time.monotonic()

    def start(status: str, headers: list[tuple[str, str]], *rest: object) -> Any:
        return start_response(status, [*headers, ("X-Began", repr(began))], *rest)

    return sky(environ, start)


def main() -> None:
    """Serve."""
    from fastapi import APIRouter

    from strangler.fastapi.app import service
    from strangler.fastapi.server import run
    from tests.assets.sky.port import Weather, WeatherService

    router = APIRouter()

    @router.get("/weather/{place}")
    async def weather(place: str) -> dict[str, Any]:
        return {"place": place, "degrees": 21}

    app = service(Weather, WeatherService(), routers=[router])
    run(app, host="127.0.0.1", port=int(sys.argv[1]), drain=0)


if __name__ == "__main__":
    main()
