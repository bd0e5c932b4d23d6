"""Values that a JSON Schema of ours allows: what an upcaster is tried with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

_DEEP: Final = 5
"""A type within itself ends here."""
_FORMATS: Final = {
    "decimal": "1.5",
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05",
    "duration": "PT1S",
    "uuid": "01890a5d-ac96-774b-bcce-b302099a8057",
}


def example(schema: Schema, types: Mapping[str, Schema], *, full: bool, depth: int = 0) -> Any:
    """One value.

    Args:
        schema: what it has to be.
        types: what the references in it mean.
        full: with everything that may be in it, or only with what must be.
        depth: how deep it stands within another.
    """

    def inner(one: Schema) -> Any:
        return example(one, types, full=full, depth=depth + 1)

    if "$ref" in schema:
        return inner(types[schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return inner(schema["anyOf"][0 if full else -1])
    if "enum" in schema:
        return schema["enum"][0 if full else -1]
    if schema["type"] in {"object", "array"}:
        deep = full and depth < _DEEP
        return (_object if schema["type"] == "object" else _array)(schema, inner, full=deep)
    return _scalar(schema, full=full)


def _object(schema: Schema, inner: Callable[[Schema], Any], *, full: bool) -> dict[str, Any]:
    members = schema.get("properties", {})
    wanted = members if full else schema.get("required", ())
    found = {name: inner(members[name]) for name in wanted}
    if full and "additionalProperties" in schema:
        found["x"] = inner(schema["additionalProperties"])
    return found


def _array(schema: Schema, inner: Callable[[Schema], Any], *, full: bool) -> list[Any]:
    if "prefixItems" in schema:
        return [inner(one) for one in schema["prefixItems"]]
    return [inner(schema["items"])] * max(schema.get("minItems", 0), 1 if full else 0)


def _scalar(schema: Schema, *, full: bool) -> Any:
    if schema["type"] == "string":
        if "contentEncoding" in schema:
            return "eA=="
        plain = "x" * max(schema.get("minLength", 0), 1 if full else 0)
        return _FORMATS.get(schema.get("format", ""), plain)
    if schema["type"] in {"integer", "number"}:
        return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
    return {"boolean": full}.get(schema["type"])
