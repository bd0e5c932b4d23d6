"""Is the process alive, and does it want traffic? Two questions, two endpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

Check = Callable[[], None]
"""Returns if all is well, and raises if not; the message says what is missing."""


class Health:
    """What ``/healthz`` and ``/readyz`` answer with.

    ``/healthz`` is 200 as long as the process can answer at all. ``/readyz`` is 200 if every check
    passes and nobody has asked the process to stop; else 503, naming what is not ready.
    """

    def __init__(
        self,
        *,
        about: Mapping[str, str],
        contracts: Mapping[str, str],
        checks: Mapping[str, Check],
    ) -> None:
        """``contracts`` are the digests of what this process answers for, by capability."""
        self._about = {**about, "contracts": dict(contracts)}
        self._checks = dict(checks)
        self.draining = False

    def routes(self) -> list[Route]:
        """The two endpoints."""
        return [
            Route("/healthz", self._alive, methods=["GET"], include_in_schema=False),
            Route("/readyz", self._ready, methods=["GET"], include_in_schema=False),
        ]

    async def _alive(self, _request: Request) -> JSONResponse:
        return JSONResponse({"status": "alive", **self._about})

    def _ready(self, _request: Request) -> JSONResponse:
        missing = {"shutdown": "the process is stopping"} if self.draining else {}
        for name, check in self._checks.items():
            try:
                check()
            except Exception as error:  # noqa: BLE001  # whatever is wrong, the answer is "not ready, because"
                missing[name] = str(error) or type(error).__name__
        if missing:
            body = {"status": "not ready", **self._about, "missing": missing}
            return JSONResponse(body, status_code=503)
        return JSONResponse({"status": "ready", **self._about})
