"""How requests are answered: who may ask, in which form, and what is said to whoever may not.

The order of the questions and the words are those of the monolith's REST framework.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from strangler.fastapi.pool import Pool
from strangler.fastapi.rest import asking
from strangler.ports.context import User, current

STAFF: Final = "staff"
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose sender may ask it."""

    request: Request
    body: bytes
    user: User | None

    def last(self, name: str) -> str | None:
        """The value of a parameter of the query, the last one where there are several."""
        found = self.request.query_params.getlist(name)
        return found[-1] if found else None

    def data(self) -> Any:
        """What the body says; an empty object where there is none.

        Raises:
            HTTPException: it is not JSON, and does not say so.
            Invalid: it says so.
        """
        return asking.data(self.request, self.body)


Handler = Callable[[Asked], Response]


@dataclass(frozen=True, slots=True)
class Operation:
    """What one method of a path does.

    Attributes:
        handler: answers, in a thread of the service's pool.
        shown: the type of the answer, for OpenAPI.
        status: of the answer.
        described: what else OpenAPI says.
    """

    handler: Handler
    shown: Any
    status: int = 200
    described: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """What a path does, by method; HEAD is answered like GET, any other method with 405."""

    operations: Mapping[str, Operation]
    staff: bool = True
    """Nobody else may ask."""
    known: Callable[[Mapping[str, Any]], bool] = field(default=lambda _parameters: True)
    """Whether there is such a path, by its parameters."""


def add(router: APIRouter, path: str, resource: Resource) -> None:
    """Answer a path."""
    operations = resource.operations
    endpoint = partial(_endpoint, resource)
    for method, operation in operations.items():
        router.add_api_route(
            path,
            _named(endpoint, operation.handler),
            methods=[method],
            status_code=operation.status,
            response_model=operation.shown,
            openapi_extra=dict(operation.described or {}),
        )
    others = [method for method in METHODS if method not in operations]
    router.add_api_route(
        path, _named(endpoint, add), methods=others, include_in_schema=False, response_model=None
    )


def _named(endpoint: Any, handler: Callable[..., Any]) -> Callable[..., Any]:
    """The endpoint under the handler's name, which OpenAPI's operation is called after."""

    async def named(request: Request) -> Response:
        answer: Response = await endpoint(request)
        return answer

    named.__name__ = handler.__name__
    named.__doc__ = handler.__doc__
    return named


async def _endpoint(resource: Resource, request: Request) -> Response:
    if not resource.known(request.path_params):
        raise HTTPException(404)
    body = await request.body() if request.method in {"POST", "PATCH"} else b""
    pool: Pool = request.app.state.pool
    answer = partial(_answer, resource, request, body)
    return await pool.run(answer, deadline=current().deadline)


def _answer(resource: Resource, request: Request, body: bytes) -> Response:
    asking.negotiate(request)
    user = current().user
    if resource.staff and (user is None or STAFF not in user.roles):
        asking.refuse(user)
    operation = resource.operations.get("GET" if request.method == "HEAD" else request.method)
    if operation is None:
        allowed = [one for one in METHODS if one in {*resource.operations, "HEAD", "OPTIONS"}]
        raise HTTPException(405, headers={"Allow": ", ".join(allowed)})
    try:
        return operation.handler(Asked(request, body, user))
    except asking.Invalid as invalid:
        return invalid.response()
