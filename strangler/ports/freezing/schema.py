"""JSON Schema (2020-12, as OpenAPI 3.1 has it) of the types that cross a boundary.

Derived from the same hints as the codec, so that it says what the codec does: a datetime has a time
zone, a Decimal is a string, a field with a default may be left out.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import types
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin
from uuid import UUID

import msgspec
from msgspec import Meta

from strangler.ports.crossing import fields, plain
from strangler.ports.declare import REQUIRED, Parameter
from strangler.ports.errors import DeclaredError

Schema = dict[str, Any]

_SCALARS: dict[Any, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    type(None): {"type": "null"},
    bytes: {"type": "string", "contentEncoding": "base64"},
    Decimal: {"type": "string", "format": "decimal"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string", "format": "time"},
    timedelta: {"type": "string", "format": "duration"},
    UUID: {"type": "string", "format": "uuid"},
}
_BOUNDS = {
    "gt": "exclusiveMinimum",
    "ge": "minimum",
    "lt": "exclusiveMaximum",
    "le": "maximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
}
_LENGTHS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}


class Schemas:
    """Schemas which share their named types; ``types`` holds those that were asked for so far.

    Args:
        reference: what a ``$ref`` to a named type looks like.
        described: carry docstrings and ``Meta(description=…)`` along, for people.
    """

    def __init__(self, reference: str = "#/types/{name}", *, described: bool = False) -> None:
        self.types: dict[str, Schema] = {}
        self._reference = reference
        self._described = described
        self._names: dict[type, str] = {}

    def of(self, hint: Any) -> Schema:
        """The schema of a resolved type hint."""
        if get_origin(hint) is Annotated:
            schema = self.of(get_args(hint)[0])
            for note in get_args(hint)[1:]:
                if isinstance(note, Meta):
                    schema = self._constrained(schema, note)
            return schema
        if isinstance(hint, NewType) or type(hint).__name__ == "TypeAliasType":
            return self.of(hint.__supertype__ if isinstance(hint, NewType) else hint.__value__)
        if hint in _SCALARS:
            return dict(_SCALARS[hint])
        if isinstance(hint, type) and (
            issubclass(hint, enum.Enum) or dataclasses.is_dataclass(hint)
        ):
            return {"$ref": self._reference.format(name=self._named(hint))}
        return self._compound(get_origin(hint), get_args(hint))

    def parameters(self, parameters: tuple[Parameter, ...]) -> Schema:
        """The schema of a call's arguments: one object, a property for each."""
        members = {p.name: (p.type, p.default) for p in parameters}
        return self._object(members)

    def detail(self, error: type[DeclaredError]) -> Schema:
        """The schema of a declared error's fields."""
        return self._object(_members(error))

    def _named(self, owner: type) -> str:
        if owner not in self._names:
            name = owner.__name__
            if name in self.types:
                name = f"{owner.__module__}.{owner.__qualname__}".replace(".", "_")
            self._names[owner] = name
            self.types[name] = {}  # holds the name while a type that contains itself is walked
            schema = self._enum(owner) if issubclass(owner, enum.Enum) else self._dataclass(owner)
            if self._described and _documented(owner):
                schema["description"] = inspect.getdoc(owner)
            self.types[name] = schema
        return self._names[owner]

    def _enum(self, owner: type[enum.Enum]) -> Schema:
        return _enumeration([member.value for member in owner])

    def _dataclass(self, owner: type) -> Schema:
        return self._object(_members(owner))

    def _object(self, members: Mapping[str, tuple[Any, Any]]) -> Schema:
        schema: Schema = {"type": "object", "properties": {}, "required": []}
        for name, (hint, default) in members.items():
            inner = self.of(hint)
            if default is REQUIRED:
                schema["required"].append(name)
            else:
                inner = {**inner, "default": msgspec.json.decode(msgspec.json.encode(default))}
            schema["properties"][name] = inner
        schema["required"].sort()
        return schema

    def _compound(self, origin: Any, arguments: tuple[Any, ...]) -> Schema:
        if origin in {Union, types.UnionType}:
            return {"anyOf": [self.of(argument) for argument in arguments]}
        if origin is Literal:
            return _enumeration(list(arguments))
        if origin is dict:
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if origin is tuple and arguments[-1] is not Ellipsis:
            size = len(arguments)
            places = [self.of(argument) for argument in arguments]
            return {"type": "array", "prefixItems": places, "minItems": size, "maxItems": size}
        return {"type": "array", "items": self.of(arguments[0])}

    def _constrained(self, schema: Schema, meta: Meta) -> Schema:
        found: Schema = {}
        for attribute, keyword in _BOUNDS.items():
            if (bound := getattr(meta, attribute)) is not None:
                found[keyword] = bound
        least, most = _LENGTHS.get(schema.get("type", ""), ("minLength", "maxLength"))
        if meta.min_length is not None:
            found[least] = meta.min_length
        if meta.max_length is not None:
            found[most] = meta.max_length
        if self._described and meta.description is not None:
            found["description"] = meta.description
        found |= meta.extra_json_schema or {}
        return {**schema, **found}


def _members(owner: type) -> dict[str, tuple[Any, Any]]:
    hints = fields(owner)
    members: dict[str, tuple[Any, Any]] = {}
    for field in dataclasses.fields(owner):
        default: Any = REQUIRED
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        elif field.default is not dataclasses.MISSING:
            default = field.default
        members[field.name] = (hints[field.name], default)
    return members


def _enumeration(values: list[Any]) -> Schema:
    known = sorted(
        (value for value in values if value is not None), key=lambda v: (str(type(v)), v)
    )
    kinds = {type(value) for value in known}
    schema: Schema = {"enum": known}
    if len(kinds) == 1:
        schema = {**_SCALARS[plain(kinds.pop())], **schema}
    return {"anyOf": [schema, {"type": "null"}]} if None in values else schema


def _documented(owner: type) -> bool:
    """Has somebody written its docstring? ``dataclass`` makes one of the signature."""
    doc = owner.__doc__
    return doc is not None and not doc.startswith(f"{owner.__name__}(")
