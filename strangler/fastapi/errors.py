"""Errors of the public face, in the one shape that both arms have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from strangler.fastapi.pool import Full, Overdue
from strangler.ports import face
from strangler.ports.answer import Answer, Refusal
from strangler.ports.errors import Busy, PortError
from strangler.ports.headers import EXECUTED

NAMES: Final[Mapping[int, str]] = {
    401: "NotAuthenticated",
    403: "PermissionDenied",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    413: "TooLarge",
    415: "UnsupportedMediaType",
    429: "Throttled",
    503: "Unavailable",
}
"""How an HTTP status is called where nothing better is known, as the monolith calls it."""


def problem(
    status: int,
    error: str,
    message: str,
    *,
    detail: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """``{"error", "message", "detail"}``."""
    body = {"error": error, "message": message, "detail": dict(detail or {})}
    return JSONResponse(body, status_code=status, headers=headers)


def answered(answer: Answer) -> Response:
    """An answer of the kit, as Starlette's."""
    return Response(answer.body, answer.status, dict(answer.headers))


def install(app: FastAPI) -> None:
    """Let every error of this app have that shape."""
    app.add_exception_handler(PortError, _port_error)
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(Full, _not_begun)
    app.add_exception_handler(Overdue, _not_begun)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)


def _port_error(_request: Request, error: Exception) -> JSONResponse:
    status, body = face.problem(error)
    headers = {"Retry-After": "1"} if status == 503 else None
    return JSONResponse(body, status_code=status, headers=headers)


def _refusal(request: Request, error: Exception) -> Response:
    """What the implementation says of this very request: nothing of it has been executed."""
    if not isinstance(error, Refusal):
        raise error
    if error.error == Busy.__name__:  # why is for the log
        return _not_begun(request, error)
    return answered(error.answer())


def _not_begun(_request: Request, _error: Exception) -> JSONResponse:
    message = "Nothing has been done. Try again shortly."
    return problem(503, NAMES[503], message, headers={"Retry-After": "1", EXECUTED: "no"})


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    found: Sequence[Any] = error.errors() if isinstance(error, RequestValidationError) else ()
    problems = [{"path": _path(one), "message": one["msg"]} for one in found]
    first = problems[0] if problems else {"path": "$", "message": str(error)}
    message = f"{first['message']} - at `{first['path']}`"
    detail = {"path": first["path"], "problems": problems}
    return problem(400, "InvalidRequest", message, detail=detail)


def _path(found: Mapping[str, Any]) -> str:
    """The JSON path of what is wrong; the whole body's where it is no JSON."""
    location = () if found["type"] == "json_invalid" else found["loc"][1:]
    inner = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return f"${''.join(inner)}"


def _refused(request: Request, error: Exception) -> JSONResponse:
    """What the framework refuses, or an endpoint by an ``HTTPException``."""
    if not isinstance(error, HTTPException):
        raise error
    status = error.status_code
    known = {
        404: f"There is nothing at {request.scope['path']}.",
        405: f'Method "{request.method}" not allowed.',
        413: f"A request has {face.LIMIT} bytes at most.",
    }
    message = str(error.detail)
    if status in known and message == HTTPStatus(status).phrase:
        message = known[status]
    name = NAMES.get(status) or ("InvalidRequest" if status < 500 else "InternalError")
    return problem(status, name, message, headers=error.headers)
