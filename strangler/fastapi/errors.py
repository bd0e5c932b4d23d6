"""Errors of the public face, in the one shape that both arms have."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from strangler.ports import face
from strangler.ports.errors import PortError

_log = logging.getLogger("strangler.fastapi")


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


def install(app: FastAPI) -> None:
    """Let every error of this app have that shape."""
    app.add_exception_handler(PortError, _port_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _unexpected)


def _port_error(_request: Request, error: Exception) -> JSONResponse:
    status, body = face.problem(error)
    headers = {"Retry-After": "1"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return JSONResponse(body, status_code=status, headers=headers)


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    problems = [{"path": _path(one["loc"]), "message": one["msg"]} for one in found]
    first = problems[0] if problems else {"path": "$", "message": str(error)}
    message = f"{first['message']} - at `{first['path']}`"
    detail = {"path": first["path"], "problems": problems}
    return problem(400, "InvalidRequest", message, detail=detail)


def _path(location: tuple[str | int, ...]) -> str:
    inner = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location[1:])
    return f"${''.join(inner)}"


def _refused(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    message = {
        404: f"There is nothing at {request.url.path}.",
        405: f'Method "{request.method}" not allowed.',
    }.get(status, HTTPStatus(status).phrase)
    name = HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")
    return problem(status, name, message, headers=headers)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s %s has failed", request.method, request.url.path, exc_info=error)
    return problem(500, "InternalError", "Something went wrong on our side.")
