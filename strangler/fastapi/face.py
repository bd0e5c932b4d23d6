"""A route of the public face that is the same thing as a method of the port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from strangler.fastapi.errors import answered
from strangler.fastapi.pool import Pool
from strangler.ports.answer import Answer
from strangler.ports.context import current
from strangler.ports.declare import Method
from strangler.ports.face import LIMIT, Face


def add(router: APIRouter, path: str, method: Method, call: Callable[..., Any]) -> None:
    """Answer ``POST path`` with what this call says, as ``strangler.ports.face`` has it.

    Args:
        router: what the route is added to.
        path: of the route; it has no parameters.
        method: the declared method that the face is derived from.
        call: what knows the answer; it may block, and runs in the service's pool.
    """
    face = Face(method)
    operation = face.operation(operationId=f"{method.capability}_{method.name}")

    async def endpoint(request: Request) -> Response:
        try:
            body = await request.body()
        except HTTPException:
            # Too long, and not wanted. Which of its faults is told, the face decides.
            body = b" " * (LIMIT + 1)
        content_type = request.headers.get("content-type")

        def answer() -> Answer:
            return face.answer(call, body, content_type)

        pool: Pool = request.app.state.pool
        return answered(await pool.run(answer, deadline=current().deadline))

    router.add_api_route(
        path, endpoint, methods=["POST"], response_class=Response, openapi_extra=operation
    )
