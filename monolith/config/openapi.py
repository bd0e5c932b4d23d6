"""What OpenAPI says of errors: the one shape that all of them have."""

from __future__ import annotations

from typing import Any

PROBLEM = {
    "type": "object",
    "description": "An error: its name, what it means, and what a client may want to know of it.",
    "properties": {
        "error": {"type": "string", "example": "InvalidRequest"},
        "message": {"type": "string"},
        "detail": {"type": "object", "additionalProperties": {}},
    },
    "required": ["error", "message", "detail"],
}


def describe_errors(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Give a default response to each operation that does not describe its errors by itself."""
    result["components"]["schemas"]["Problem"] = PROBLEM
    reference = {"schema": {"$ref": "#/components/schemas/Problem"}}
    default = {"description": "An error.", "content": {"application/json": reference}}
    for path in result["paths"].values():
        for operation in path.values():
            if all(status.startswith("2") for status in operation["responses"]):
                operation["responses"]["default"] = default
    return result
