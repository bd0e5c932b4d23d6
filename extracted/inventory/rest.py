"""How requests are answered: who may ask, in which form, and what is said to whoever may not.

The order of the questions and the words are those of the monolith's REST framework.
"""

from __future__ import annotations

import json
from codecs import getreader, lookup
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from functools import partial
from io import BytesIO
from typing import Any, Final, NoReturn

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from extracted.inventory.fields import Invalid
from strangler.fastapi.errors import problem
from strangler.fastapi.pool import Pool
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
        if not self.body:
            return {}
        said = self.request.headers.get("content-type", "")
        if not _matches(said):
            raise HTTPException(415, f'Unsupported media type "{said}" in request.')
        try:
            text = getreader(_charset(said))(BytesIO(self.body)).read()
            return json.loads(text, parse_constant=_no_constant)
        except RecursionError:
            raise Invalid(("$", "This JSON is nested too deep.")) from None
        except ValueError as error:
            raise Invalid(("$", f"JSON parse error - {error}")) from None


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
    _negotiate(request)
    user = current().user
    if resource.staff and (user is None or STAFF not in user.roles):
        _refuse(user)
    operation = resource.operations.get("GET" if request.method == "HEAD" else request.method)
    if operation is None:
        allowed = [one for one in METHODS if one in {*resource.operations, "HEAD", "OPTIONS"}]
        raise HTTPException(405, headers={"Allow": ", ".join(allowed)})
    try:
        return operation.handler(Asked(request, body, user))
    except Invalid as invalid:
        return _invalid(invalid.problems)


def _refuse(user: User | None) -> NoReturn:
    if user is None:
        message = "Authentication credentials were not provided."
        raise HTTPException(401, message, {"WWW-Authenticate": 'Bearer realm="shop"'})
    raise HTTPException(403, "You do not have permission to perform this action.")


def _invalid(problems: Sequence[tuple[str, str]]) -> JSONResponse:
    path, message = problems[0]
    found = [{"path": where, "message": what} for where, what in problems]
    detail = {"path": path, "problems": found}
    return problem(400, "InvalidRequest", f"{message} - at `{path}`", detail=detail)


def _negotiate(request: Request) -> None:
    """See that the client wants JSON, which is all that there is.

    Raises:
        HTTPException: it does not.
    """
    if request.query_params.get("format", "") not in {"", "json"}:
        raise HTTPException(404, "Not found.")
    accepted = request.headers.get("accept", "*/*").split(",")
    if not any(_matches(one) for one in accepted if one.strip()):
        raise HTTPException(406, "Could not satisfy the request Accept header.")


def _matches(media_type: str) -> bool:
    """Whether JSON is of this type, which may have stars in it."""
    main, _, sub = media_type.partition(";")[0].strip().lower().partition("/")
    return main in {"application", "*"} and sub in {"json", "*"}


def _charset(content_type: str) -> str:
    header = Message()
    header["Content-Type"] = content_type
    charset = header.get_param("charset", "utf-8")
    try:
        return lookup(str(charset)).name
    except LookupError:
        return "utf-8"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"Out of range float values are not JSON compliant: {name!r}")
