"""One shape for every error of every HTTP face: ``{"error", "message", "detail"}``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import resolve
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as rest_handler

from monolith.config.parsers import TooLarge
from strangler.ports import face
from strangler.ports.errors import PortError

NAMES: dict[type[Exception], str] = {
    exceptions.AuthenticationFailed: "InvalidCredentials",
    exceptions.NotAuthenticated: "NotAuthenticated",
    exceptions.PermissionDenied: "PermissionDenied",
    exceptions.NotFound: "NotFound",
    exceptions.MethodNotAllowed: "MethodNotAllowed",
    exceptions.NotAcceptable: "NotAcceptable",
    exceptions.UnsupportedMediaType: "UnsupportedMediaType",
    exceptions.Throttled: "Throttled",
    TooLarge: "TooLarge",
}
"""How each of the framework's errors is called; any other is an ``InvalidRequest``."""


def problem(error: str, message: str, **detail: Any) -> dict[str, Any]:
    """The body of an error."""
    return {"error": error, "message": message, "detail": detail}


def handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """What a view's exception becomes; None for what nobody expected, which is a 500."""
    if isinstance(exc, PortError):
        status, body = face.problem(exc)
        return Response(body, status, headers={"Retry-After": "1"} if status == 503 else None)
    response = rest_handler(exc, context)
    if response is not None:
        response.data = _body(exc)
    return response


def _body(exc: Exception) -> dict[str, Any]:
    if isinstance(exc, Http404):
        exc = exceptions.NotFound()
    elif isinstance(exc, PermissionDenied):
        exc = exceptions.PermissionDenied()
    if isinstance(exc, exceptions.ValidationError):
        return _invalid(list(_problems(exc.detail, "$")) or [("$", "This is not valid.")])
    if isinstance(exc, exceptions.Throttled):
        return problem("Throttled", str(exc.detail), retry_after=exc.wait)
    if isinstance(exc, exceptions.ParseError):
        return _invalid([("$", str(exc.detail))])
    error = next((name for kind, name in NAMES.items() if isinstance(exc, kind)), "InvalidRequest")
    return problem(error, str(getattr(exc, "detail", exc)))


def _invalid(found: list[tuple[str, str]]) -> dict[str, Any]:
    path, text = found[0]
    problems = [{"path": path, "message": text} for path, text in found]
    return problem("InvalidRequest", f"{text} - at `{path}`", path=path, problems=problems)


def _problems(detail: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every message in a validation error, with the JSON path of what it is about."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            inner = f"[{key}]" if isinstance(key, int) else f".{key}"
            yield from _problems(value, path if key == "non_field_errors" else path + inner)
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            nested = isinstance(value, dict | list)
            yield from _problems(value, f"{path}[{index}]" if nested else path)
    else:
        yield path, str(detail)


def _is_face(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


@csrf_exempt
def unknown_path(request: HttpRequest, *_: Any) -> HttpResponse:
    """404 for a path below ``/api/`` that no context knows."""
    message = f"There is nothing at {request.path}."
    slashed = f"{request.path_info}/"
    if not request.path_info.endswith("/") and resolve(slashed).func is not unknown_path:
        message += f" Ask for {slashed} instead."
    return JsonResponse(problem("NotFound", message), status=404)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """400, for what Django itself refuses."""
    if not _is_face(request):
        return defaults.bad_request(request, exception)
    return JsonResponse(_invalid([("$", "This request is malformed.")]), status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """403, for what Django itself refuses."""
    if not _is_face(request):
        return defaults.permission_denied(request, exception)
    return JsonResponse(problem("PermissionDenied", "You may not do this."), status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """404, when Django itself finds nothing."""
    if not _is_face(request):
        return defaults.page_not_found(request, exception)
    return unknown_path(request)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """500, without a word about what went wrong inside."""
    if not _is_face(request):
        return defaults.server_error(request)
    message = "Something went wrong on our side."
    return JsonResponse(problem("InternalError", message), status=500)
