"""A route of the public face that is the same thing as a method of the port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from strangler.ports.declare import Method
from strangler.ports.face import Face


def add(router: APIRouter, path: str, method: Method, call: Callable[..., Any]) -> None:
    """Answer ``POST path`` with what this call says, as ``strangler.ports.face`` has it.

    Args:
        router: what the route is added to.
        path: of the route; it has no parameters.
        method: the declared method that the face is derived from.
        call: what knows the answer; it may block.
    """
    face = Face(method)
    operation = face.operation(operationId=f"{method.capability}_{method.name}")

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        content_type = request.headers.get("content-type")
        answer = await run_in_threadpool(face.answer, call, body, content_type)
        return Response(answer.body, answer.status, dict(answer.headers))

    router.add_api_route(
        path, endpoint, methods=["POST"], response_class=Response, openapi_extra=operation
    )
