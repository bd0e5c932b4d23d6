"""What OpenAPI says of catalog's HTTP face."""

from __future__ import annotations

from typing import Any, Final

from extracted.catalog.fields import Field, Record, Schema
from extracted.catalog.schemas import PRODUCT, WANTED

_NULLABLE_URI: Final = {"anyOf": [{"type": "string", "format": "uri"}, {"type": "null"}]}
_PAGE: Final = {
    "type": "object",
    "properties": {
        "count": {"type": "integer"},
        "next": _NULLABLE_URI,
        "previous": _NULLABLE_URI,
        "results": {"type": "array", "items": PRODUCT.schema(request=False)},
    },
    "required": ["count", "results"],
}
_SKU: Final = {"in": "path", "name": "sku", "required": True, "schema": {"type": "string"}}


def search() -> dict[str, Any]:
    """Searching products."""
    parameters = [_parameter(name, field) for name, field in WANTED.fields.items()]
    parameters += [
        {"in": "query", "name": name, "schema": {"type": "integer"}}
        for name in ("page", "page_size")
    ]
    return {"parameters": parameters, "responses": _answer(200, _PAGE)}


def product(
    *, body: Record | None = None, status: int = 200, answer: Field = PRODUCT, sku: bool = False
) -> dict[str, Any]:
    """An operation on one thing: ``answer`` is what comes back, ``body`` what is sent."""
    found: dict[str, Any] = {"responses": _answer(status, answer.schema(request=False))}
    if sku:
        found["parameters"] = [_SKU]
    if body is not None:
        required = any(field.required for field in body.fields.values())
        found["requestBody"] = {"content": _json(body.schema(request=True)), "required": required}
    return found


def _parameter(name: str, field: Field) -> dict[str, Any]:
    return {"in": "query", "name": name, "schema": field.schema(request=True)}


def _answer(status: int, schema: Schema) -> dict[str, Any]:
    return {str(status): {"description": "The answer.", "content": _json(schema)}}


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
