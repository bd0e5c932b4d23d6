"""Is the process alive, and does it want traffic? Two questions, two endpoints.

Readiness speaks of this process only, never of those it calls. The monolith falls back on a service
that fails, and a service calls back to the monolith: if each were ready only while the other is,
one hiccup would take both away, and neither could come back first. Whether the other side answers
is known to the breakers, call by call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

OPEN: Final = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json"})
"""The paths that anybody may ask: they tell nothing of anybody."""
Check = Callable[[], None]
"""Returns if all is well, and raises if not; the message says what is missing."""


class Health:
    """What ``/healthz`` and ``/readyz`` answer with.

    ``/healthz`` is 200 as long as the process can answer at all. ``/readyz`` is 200 if every check
    passes and nobody has asked the process to stop; else 503, naming in ``missing`` what is not
    there. Both tell the ``build`` and, by capability, the digests of the ``contracts`` spoken here.
    """

    def __init__(
        self,
        *,
        about: Mapping[str, str],
        contracts: Mapping[str, str],
        checks: Mapping[str, Check],
    ) -> None:
        """``checks`` are about what this process has of its own, such as its database.

        Once ``draining`` is set the process is not ready any more, whatever the checks say.
        """
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
