"""The service's port endpoint: plain Starlette, so that a call costs no more than it must.

Ports are plain functions and may block, so they run in a bounded pool of threads of their own,
which is the service's bulkhead; the event loop only reads and writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from strangler.ports.serve import LIMIT, PATH, dispatch


def route(pool: ThreadPoolExecutor, *, callers: Collection[str]) -> Route:
    """``POST /_strangler/ports/{capability}/{method}``, answered in the pool's threads."""

    async def endpoint(request: Request) -> Response:
        body = await _body(request)
        call = partial(
            dispatch,
            request.path_params["capability"],
            request.path_params["method"],
            body,
            request.headers,
            callers=callers,
        )
        answer = await asyncio.get_running_loop().run_in_executor(pool, call)
        return Response(answer.body, answer.status, dict(answer.headers))

    return Route(
        f"{PATH}{{capability}}/{{method}}", endpoint, methods=["POST"], include_in_schema=False
    )


async def _body(request: Request) -> bytes:
    """The whole body, or its beginning where it is longer than a call may be."""
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            parts.append(part)
            size += len(part)
            if size > LIMIT:
                break
    except ClientDisconnect:
        return b""
    return b"".join(parts)
