"""OpenAPI documents in one canonical form, whoever has generated them.

drf-spectacular writes OpenAPI 3.0, FastAPI 3.1, and each has its own way to say the same: that a
field may be null, that a number is above zero, that a Decimal is a string. ``normalise`` says it in
one way, leaves out what is for people (titles, descriptions, examples, operation ids, tags) and
what every face of a framework has, and so leaves what a client can rely on. Two faces are the same
if their normal forms are; ``strangler.ports.freezing.compat`` names what is not.

The normal form is a valid OpenAPI 3.1 document, whose normal form is itself. Schemas stand where
they are used; only types that contain themselves are components.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from strangler.ports.freezing.paring import pared

Document = dict[str, Any]

_METHODS = ("get", "post", "put", "patch", "delete")
_OWN_HEADERS = frozenset({"accept", "content-type", "authorization"})
"""Headers that OpenAPI describes elsewhere."""


def normalise(document: Mapping[str, Any], prefixes: Iterable[str]) -> Document:
    """The canonical form of those operations whose paths begin with one of the prefixes.

    Args:
        document: an OpenAPI document, 3.0 or 3.1.
        prefixes: of paths, by whole segments: ``/api/pricing`` is not ``/api/pricings``.
    """
    prefixes = tuple(prefix.rstrip("/") for prefix in prefixes)
    resolver = _Resolver(document)
    paths = {}
    for path, item in document.get("paths", {}).items():
        if any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes):
            paths[path] = {
                method: resolver.operation(item[method], item.get("parameters", []))
                for method in _METHODS
                if method in item
            }
    return {
        "openapi": "3.1.0",
        "info": {"title": ", ".join(prefixes), "version": "1"},
        "paths": paths,
        "components": {"schemas": resolver.recursive},
    }


def inlined(node: Any, types: Mapping[str, Any]) -> Any:
    """The same without references: each named type stands where it is used.

    Raises:
        ValueError: a type contains itself.
    """
    return _inlined(node, types, ())


def _inlined(node: Any, types: Mapping[str, Any], inside: tuple[str, ...]) -> Any:
    if isinstance(node, list):
        return [_inlined(item, types, inside) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        if name in inside:
            raise ValueError(f"{name} contains itself, and can't be written out where it is used")
        found: dict[str, Any] = _inlined(types[name], types, (*inside, name))
        return {**found, **{key: value for key, value in node.items() if key != "$ref"}}
    return {key: _inlined(value, types, inside) for key, value in node.items()}


class _Resolver:
    """Follows the references of one document; ``recursive`` gathers what can't be written out."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self.recursive: dict[str, Any] = {}
        self._names: dict[tuple[str, bool], str] = {}

    def operation(self, operation: Mapping[str, Any], shared: list[Any]) -> Document:
        found: Document = {"responses": {}}
        parameters = self._parameters([*shared, *operation.get("parameters", [])])
        if parameters:
            found["parameters"] = parameters
        body = self._target(operation.get("requestBody", {}))
        content = self._content(body, request=True)
        if content is not None:
            found["requestBody"] = {"content": content}
            if body.get("required"):
                found["requestBody"]["required"] = True
        for status, response in operation.get("responses", {}).items():
            answer = self._target(response)
            if str(status) == "default" or _is_framework_validation(answer):
                continue
            found["responses"][str(status)] = {"description": ""}
            content = self._content(answer, request=False)
            if content is not None:
                found["responses"][str(status)]["content"] = content
        return found

    def _parameters(self, given: list[Any]) -> list[Document]:
        found: dict[tuple[str, str], Document] = {}
        for item in given:
            parameter = self._target(item)
            place, name = parameter["in"], parameter["name"]
            if place == "cookie" or (place == "header" and name.lower() in _OWN_HEADERS):
                continue
            schema = self._schema(parameter.get("schema", {}), request=True)
            one: Document = {"in": place, "name": name, "schema": _never_null(schema)}
            if parameter.get("required"):
                one["required"] = True
            if place == "query" and parameter.get("explode") is False:
                one["explode"] = False
            found[place, name] = one
        return [found[key] for key in sorted(found)]

    def _content(self, holder: Mapping[str, Any], *, request: bool) -> Document | None:
        for kind, media in holder.get("content", {}).items():
            if kind.partition(";")[0].strip() == "application/json":
                schema = self._schema(media.get("schema", {}), request=request)
                return {"application/json": {"schema": schema}}
        return None

    def _schema(self, schema: Any, *, request: bool) -> Any:
        return pared(self._written_out(schema, request=request), request=request)

    def _written_out(self, node: Any, *, request: bool) -> Any:
        if isinstance(node, list):
            return [self._written_out(item, request=request) for item in node]
        if not isinstance(node, dict):
            return node
        found = {
            key: self._written_out(value, request=request)
            for key, value in node.items()
            if not _is_reference(key, value)
        }
        if len(found) == len(node):
            return found
        reference = node["$ref"]
        if reference in self._within(reference, set()):
            return {**self._named(reference, request=request), **found}
        return {**self._written_out(self._target(node), request=request), **found}

    def _within(self, reference: str, seen: set[str]) -> set[str]:
        """The references that a type is made of, at any depth."""
        for found in _references(self._target({"$ref": reference})):
            if found not in seen:
                seen.add(found)
                self._within(found, seen)
        return seen

    def _named(self, reference: str, *, request: bool) -> Document:
        """A reference to a type that contains itself, named by the order in which it was met."""
        key = (reference, request)
        if key not in self._names:
            name = self._names[key] = f"Recursive{len(self._names) + 1}"
            self.recursive[name] = {}
            self.recursive[name] = self._schema(self._target({"$ref": reference}), request=request)
        return {"$ref": f"#/components/schemas/{self._names[key]}"}

    def _target(self, node: Any) -> Any:
        while isinstance(node, dict) and isinstance(node.get("$ref"), str):
            found: Any = self._document
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[re.sub("~1", "/", step).replace("~0", "~")]
            node = found
        return node


def _is_reference(key: str, value: Any) -> bool:
    """A property may be called ``$ref``, too; then it is no text."""
    return key == "$ref" and isinstance(value, str)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if _is_reference(key, value):
                yield value
            else:
                yield from _references(value)


def _is_framework_validation(response: Mapping[str, Any]) -> bool:
    """FastAPI promises a 422 of its own wherever there is a parameter."""
    return "HTTPValidationError" in json.dumps(response)


def _never_null(schema: Any) -> Any:
    """Nothing in a URL or a header is null: an optional parameter is left out."""
    if not isinstance(schema, dict) or "anyOf" not in schema:
        return schema
    members = [member for member in schema["anyOf"] if member != {"type": "null"}]
    if len(members) == 1:
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        return {**members[0], **rest}
    return {**schema, "anyOf": members}
