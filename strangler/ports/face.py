"""A public HTTP face, derived from a port's method.

Where the public face of a capability is the same thing as a method of its port, it is not written
again: ``POST`` with the arguments as a JSON object, answered with the result. A Django view and a
FastAPI route differ in how they get at the body, and in nothing else::

    quote = Face(methods(Pricing)["quote"])
    answer = quote.answer(pricing.quote, body, content_type)     # status, headers, body
    quote.operation()                                            # what OpenAPI says of it

Every error, on either arm, is ``{"error": name, "message": text, "detail": {…}}``: a declared error
has its own status and its fields as detail; arguments that are none are ``InvalidRequest``, 400,
and ``detail.path`` is the JSON path of the first that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from strangler.ports.answer import Answer
from strangler.ports.codec import BadArguments, codec
from strangler.ports.declare import Method
from strangler.ports.errors import DeclaredError, NotExecuted, OutcomeUnknown, PortError, TimedOut
from strangler.ports.freezing.compat import compare
from strangler.ports.freezing.openapi import inlined, normalise
from strangler.ports.freezing.schema import Schema, Schemas

__all__ = ["LIMIT", "Face", "compare", "normalise", "problem"]

LIMIT: Final = 1024 * 1024
"""Bytes that the body of a request may have."""


def problem(error: Exception) -> tuple[int, dict[str, Any]]:
    """The status and the body of a port's error on a public face.

    Raises:
        TypeError: this error is none that a port raises; what to say of it is the framework's
            business.
    """
    match error:
        case DeclaredError():
            detail = msgspec.to_builtins(error.detail())
            return error.status, _body(type(error).__name__, str(error), detail)
        case BadArguments():
            found = {"path": error.path, "message": error.reason}
            message = f"{error.reason} - at `{error.path}`"
            detail = {"path": error.path, "problems": [found]}
            return 400, _body("InvalidRequest", message, detail)
        case NotExecuted():
            return 503, _body("Unavailable", "Nothing has been done. Try again shortly.", {})
        case TimedOut():
            return 504, _body("TimedOut", "Part of the shop did not answer in time.", {})
        case OutcomeUnknown():
            return 502, _body("BadGateway", "Part of the shop has failed.", {})
    raise TypeError(f"{type(error).__name__} is not an error of a port") from error


def _body(error: str, message: str, detail: Mapping[str, Any]) -> dict[str, Any]:
    return {"error": error, "message": message, "detail": detail}


class Face:
    """The public face of one method. Compiled once, and kept."""

    def __init__(self, method: Method) -> None:
        self.method = method
        self._codec = codec(method)

    def decode(self, body: bytes) -> dict[str, Any]:
        """The arguments in a request, by name, with the port's defaults.

        Raises:
            BadArguments: it is no JSON, or not what the method declares.
        """
        return self._codec.decode_arguments(body)

    def encode(self, result: Any) -> bytes:
        """The body of an answer."""
        return self._codec.encode_result(result)

    def answer(
        self, call: Callable[..., Any], body: bytes, content_type: str | None, *, limit: int = LIMIT
    ) -> Answer:
        """Answer one request by a call with its arguments.

        Args:
            call: what knows the answer: a method of an implementation, or of a bound port.
            body: of the request.
            content_type: of the request, as the header has it.
            limit: bytes that the body may have.

        Whatever is raised that no port raises, is raised here.
        """
        if (content_type or "").partition(";")[0].strip().lower() != "application/json":
            message = f"Send application/json, not {content_type or 'a body of no type'}."
            return _answer(415, _body("UnsupportedMediaType", message, {}))
        if len(body) > limit:
            return _answer(413, _body("TooLarge", f"A request has {limit} bytes at most.", {}))
        try:
            arguments = self.decode(body)
        except BadArguments as error:
            return _answer(*problem(error))
        try:
            result = call(**arguments)
        except PortError as error:
            return _answer(*problem(error))
        return Answer(200, _JSON, self.encode(result))

    def operation(self, **more: Any) -> dict[str, Any]:
        """What OpenAPI 3.1 says of this face: request, answer, and every error by status.

        Self-contained: schemas stand where they are used. ``more`` is put beside or instead
        (``tags``, ``operationId``, …).

        Raises:
            ValueError: a type contains itself; such a face is written by hand.
        """
        schemas = Schemas("#/components/schemas/{name}", described=True)
        method = self.method
        responses = {"200": ("The answer.", schemas.of(method.returns))}
        errors: dict[int, list[Schema]] = {400: [_shape("InvalidRequest", _INVALID)]}
        for error in method.raises:
            shape = _shape(error.__name__, schemas.detail(error))
            errors.setdefault(error.status, []).append(shape)
        for status, shapes in sorted(errors.items()):
            names = ", ".join(shape["properties"]["error"]["enum"][0] for shape in shapes)
            responses[str(status)] = (names, shapes[0] if len(shapes) == 1 else {"anyOf": shapes})
        described = {
            "operationId": f"{method.capability}_{method.name}",
            "summary": method.doc.partition("\n")[0],
            "requestBody": {
                "required": True,
                "content": _content(schemas.parameters(method.parameters)),
            },
            "responses": {
                status: {"description": text, "content": _content(schema)}
                for status, (text, schema) in responses.items()
            },
        }
        whole: dict[str, Any] = inlined(described, schemas.types)
        return {**whole, **more}


_JSON: Final[Mapping[str, str]] = {"Content-Type": "application/json"}
_LATER: Final[Mapping[str, str]] = {**_JSON, "Retry-After": "1"}
_INVALID: Final[Schema] = {
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "problems": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"path": {"type": "string"}, "message": {"type": "string"}},
                "required": ["message", "path"],
            },
        },
    },
    "required": ["path"],
}


def _answer(status: int, body: Mapping[str, Any]) -> Answer:
    return Answer(status, _LATER if status == 503 else _JSON, msgspec.json.encode(body))


def _shape(error: str, detail: Schema) -> Schema:
    """The schema of one error's body."""
    members = {
        "error": {"type": "string", "enum": [error]},
        "message": {"type": "string"},
        "detail": detail,
    }
    return {"type": "object", "properties": members, "required": sorted(members)}


def _content(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
