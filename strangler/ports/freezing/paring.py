"""JSON Schemas pared down to what they say, in one way of saying it.

OpenAPI 3.0's ``nullable`` and boolean ``exclusiveMinimum``, lists of types, ``const``, a lone
``allOf`` or ``oneOf``, pydantic's and REST framework's spellings of a Decimal: each becomes what
JSON Schema 2020-12 has for it. What is for people, and what says nothing, goes.
"""

from __future__ import annotations

import json
from typing import Any

Schema = dict[str, Any]

_FOR_PEOPLE = frozenset(
    {
        "title",
        "description",
        "example",
        "examples",
        "deprecated",
        "externalDocs",
        "xml",
        "discriminator",
        "readOnly",
        "writeOnly",
    }
)
_EMPTY_FORMATS = frozenset({"int32", "int64", "float", "double", "password"})
_BY_NAME = ("properties", "patternProperties", "$defs")
_NOTHING = {"minLength": 0, "minItems": 0, "minProperties": 0, "uniqueItems": False}
_KINDS = {str: "string", bool: "boolean", int: "integer", float: "number"}


def pared(schema: Any, *, request: bool) -> Any:
    """The same schema in one way of saying it.

    Args:
        schema: without references, but to types that contain themselves.
        request: it is of what is sent: then fields that are only ever read are no part of it; and
            otherwise fields that are only ever written.
    """
    if isinstance(schema, bool):
        return {} if schema else False
    schema = _merged(schema)
    hidden = "readOnly" if request else "writeOnly"
    found: Schema = {}
    for key, value in schema.items():
        if key in _FOR_PEOPLE or key.startswith("x-") or _NOTHING.get(key, _FOR_PEOPLE) == value:
            continue
        if key in _BY_NAME:
            found[key] = {
                name: pared(inner, request=request)
                for name, inner in value.items()
                if not (isinstance(inner, dict) and _merged(inner).get(hidden))
            }
        elif key in {"items", "additionalProperties", "not"}:
            found[key] = pared(value, request=request)
        elif key in {"anyOf", "prefixItems"}:
            found[key] = [pared(member, request=request) for member in value]
        else:
            found[key] = value
    return _united(_object(_scalar(found), request=request), request=request)


def _merged(schema: Schema) -> Schema:
    """``oneOf`` is ``anyOf``, ``allOf`` is written out, null is a type, and types are one each."""
    schema = dict(schema)
    for part in schema.pop("allOf", []):
        schema = _both(_merged(part), schema)
    if "oneOf" in schema:
        schema["anyOf"] = [*schema.get("anyOf", []), *schema.pop("oneOf")]
    if schema.pop("nullable", False):
        return {**_beside(schema), "anyOf": [schema, {"type": "null"}]}
    kinds = schema.get("type")
    if isinstance(kinds, list):
        beside = _beside(schema)
        members = [{"type": "null"} if k == "null" else {**schema, "type": k} for k in kinds]
        return {**beside, "anyOf": members}
    return schema


def _beside(schema: Schema) -> Schema:
    """Takes out of a schema what is said of the field, and not of one of its types."""
    said = [key for key in ("default", "readOnly", "writeOnly") if key in schema]
    return {key: schema.pop(key) for key in said}


def _both(one: Schema, other: Schema) -> Schema:
    properties = {**one.get("properties", {}), **other.get("properties", {})}
    required = sorted({*one.get("required", ()), *other.get("required", ())})
    found = {**one, **other}
    if properties:
        found["properties"] = properties
    if required:
        found["required"] = required
    return found


def _scalar(schema: Schema) -> Schema:
    _limit(schema, "minimum", "exclusiveMinimum", 1)
    _limit(schema, "maximum", "exclusiveMaximum", -1)
    if schema.get("default", schema) is None:
        del schema["default"]
    if schema.get("format") in _EMPTY_FORMATS:
        del schema["format"]
    if schema.get("format") == "byte":
        del schema["format"]
        schema["contentEncoding"] = "base64"
    if _is_decimal(schema):
        beside = {"default": str(schema["default"])} if "default" in schema else {}
        return {**_DECIMAL, **beside}
    return _enumerated(schema)


def _limit(schema: Schema, limit: str, exclusive: str, step: int) -> None:
    """An exclusive limit is a number, and of an integer it is the next inclusive one."""
    is_flag = isinstance(schema.get(exclusive), bool)  # OpenAPI 3.0
    if is_flag and schema.pop(exclusive):
        schema[exclusive] = schema.pop(limit)
    if schema.get("type") == "integer" and exclusive in schema and limit not in schema:
        schema[limit] = schema.pop(exclusive) + step


def _enumerated(schema: Schema) -> Schema:
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    if "enum" not in schema:
        return schema
    values = schema["enum"]
    known = sorted((v for v in values if v is not None), key=lambda v: (str(type(v)), v))
    kinds = {_KINDS.get(type(value)) for value in known}
    schema["enum"] = known
    if len(kinds) == 1:
        schema.setdefault("type", kinds.pop())
    if None not in values:
        return schema
    beside = {"default": schema.pop("default")} if "default" in schema else {}
    return {**beside, "anyOf": [*([schema] if known else []), {"type": "null"}]}


_DECIMAL = {"type": "string"}
"""What all have in common who write of a Decimal: it is a string. Not all say of what."""


def _is_decimal(schema: Schema) -> bool:
    """REST framework adds a pattern of its digits, and pydantic has had one of its own."""
    if schema.get("format") == "decimal":
        return True
    return schema.get("type") == "string" and "[+-]?0*\\d*\\.?\\d*$" in schema.get("pattern", "")


def _object(schema: Schema, *, request: bool) -> Schema:
    if "properties" in schema:
        schema.setdefault("type", "object")
        names = schema["properties"]
        schema["required"] = sorted(name for name in schema.get("required", ()) if name in names)
    if not schema.get("required", True):
        del schema["required"]
    extra = schema.get("additionalProperties")
    if extra in ({}, True) or (extra is False and not request):
        # Both sides ignore what they do not know, unless a request is refused for it.
        del schema["additionalProperties"]
    return schema


def _united(schema: Schema, *, request: bool) -> Schema:
    """``anyOf`` flat, without doubles, in one order; a single member stands for itself."""
    if "anyOf" not in schema:
        return schema
    members: list[Schema] = []
    for member in schema.pop("anyOf"):
        members += member["anyOf"] if member.keys() == {"anyOf"} else [member]
    if (
        request and _DECIMAL in members
    ):  # pydantic says that it reads a Decimal from a number, too, as all do
        members = [member for member in members if member.get("type") != "number"]
    enums = [member for member in members if member.keys() == {"enum", "type"}]
    for kind in {member["type"] for member in enums}:
        alike = [member for member in enums if member["type"] == kind]
        if len(alike) > 1:
            values = sorted({value for member in alike for value in member["enum"]})
            members = [member for member in members if member not in alike]
            members.append({"type": kind, "enum": values})
    unique = {json.dumps(member, sort_keys=True): member for member in members}
    members = [unique[key] for key in sorted(unique)]
    if len(members) == 1:
        return {**members[0], **schema}
    return {**schema, "anyOf": members}
