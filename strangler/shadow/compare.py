"""How two answers to one query differ.

JSON is compared as data: the order of keys and the spelling of numbers mean nothing. Everything
else is compared byte by byte. Headers other than the content type are not compared.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final

import msgspec

from strangler import manifest
from strangler.manifest.jsonpath import JsonPath, Key, parse

LIMIT = 50
"""The differences of one comparison that are looked at; what is that far off needs no more."""


class Kind(StrEnum):
    """In which respect two answers differ."""

    STATUS = "status"
    """Another HTTP status; the bodies are not compared then."""
    SCHEMA = "schema"
    """Another shape: a key too many or too few, another type, another content type."""
    VALUE = "value"
    """The same shape, with another value or another number of items."""
    BODY = "body"
    """Bodies that are not JSON, and not the same bytes."""
    ANSWER = "answer"
    """A rehearsed command: another status, declared error, or body."""
    ROW = "row"
    """A rehearsed command: a row that only one side writes, or deletes."""
    COLUMN = "column"
    """A rehearsed command: another value in a row that both write."""

    @property
    def rehearsed(self) -> bool:
        """It is about a rehearsed command."""
        return self in {Kind.ANSWER, Kind.ROW, Kind.COLUMN}


class Absent:
    """Stands for a value that one side does not have, which JSON's null would not say."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = Absent()


@dataclass(frozen=True, slots=True)
class Answer:
    """What one arm answered; ``body`` is as it came, without content encoding."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which the service's answer differs from the monolith's.

    ``path`` is where, without positions in lists (``$.lines[*].tax``), or ``status`` or
    ``content-type``; ``where`` is the exact place (``$.lines[0].tax``).
    """

    kind: Kind
    path: str
    where: str
    monolith: Any
    service: Any
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that differs and counts; ``ignored`` if there was more, which does not."""

    differences: tuple[Difference, ...] = ()
    ignored: bool = False

    @property
    def same(self) -> bool:
        """Nothing differs that counts."""
        return not self.differences


_SAME = Comparison()


@dataclass(frozen=True, slots=True)
class Rules:
    """What a capability's manifest says about comparing."""

    ignore: tuple[JsonPath, ...] = ()
    unordered: tuple[JsonPath, ...] = ()

    @classmethod
    def of(cls, shadow: manifest.Shadow) -> Rules:
        """The rules of one capability."""
        return cls(tuple(map(parse, shadow.ignore)), tuple(map(parse, shadow.unordered)))


def compare(monolith: Answer, service: Answer, rules: Rules) -> Comparison:
    """What the service answered otherwise than the monolith."""
    if monolith.status != service.status:
        return _one(Kind.STATUS, "status", monolith.status, service.status)
    media = _media(monolith.content_type), _media(service.content_type)
    if media[0] != media[1]:
        return _one(Kind.SCHEMA, "content-type", *media)
    if monolith.body == service.body:
        return _SAME
    if _JSON.fullmatch(media[0]):
        try:
            return _compare_json(
                msgspec.json.decode(monolith.body), msgspec.json.decode(service.body), rules
            )
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    return _one(Kind.BODY, "$", _size(monolith), _size(service))


def render(keys: tuple[Key, ...], *, general: bool = False) -> str:
    """The keys as a JSONPath; ``general`` writes every position in a list as ``[*]``."""
    parts = ["$"]
    for key in keys:
        if isinstance(key, int):
            parts.append("[*]" if general else f"[{key}]")
        elif _PLAIN.fullmatch(key):
            parts.append(f".{key}")
        else:
            parts.append("['" + key.replace("\\", "\\\\").replace("'", "\\'") + "']")
    return "".join(parts)


_JSON = re.compile(r"application/(?:.+\+)?json")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def _media(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _size(answer: Answer) -> str:
    return f"{len(answer.body)} bytes"


def _one(kind: Kind, path: str, monolith: object, service: object) -> Comparison:
    return Comparison((Difference(kind, path, path, monolith, service),))


def _compare_json(monolith: object, service: object, rules: Rules) -> Comparison:
    walk = _Walk(rules)
    found: list[Difference] = []
    for difference in walk.differences(monolith, service, ()):
        if any(path.covers(difference.keys) for path in rules.ignore):
            walk.ignored = True
            continue
        found.append(difference)
        if len(found) == LIMIT:
            break
    return Comparison(tuple(found), walk.ignored)


class _Walk:
    """Both answers side by side, from the root down."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.ignored = False

    def differences(
        self, monolith: object, service: object, keys: tuple[Key, ...]
    ) -> Iterator[Difference]:
        if _type(monolith) != _type(service):
            yield self._differ(Kind.SCHEMA, keys, monolith, service)
        elif isinstance(monolith, dict) and isinstance(service, dict):
            yield from self._objects(monolith, service, keys)
        elif isinstance(monolith, list) and isinstance(service, list):
            yield from self._lists(monolith, service, keys)
        elif monolith != service:
            yield self._differ(Kind.VALUE, keys, monolith, service)

    def _objects(
        self, monolith: Mapping[str, object], service: Mapping[str, object], keys: tuple[Key, ...]
    ) -> Iterator[Difference]:
        for name in {**monolith, **service}:
            one, other = monolith.get(name, ABSENT), service.get(name, ABSENT)
            yield from self.differences(one, other, (*keys, name))

    def _lists(
        self, monolith: list[object], service: list[object], keys: tuple[Key, ...]
    ) -> Iterator[Difference]:
        if len(monolith) != len(service):
            sizes = f"{len(monolith)} items", f"{len(service)} items"
            yield self._differ(Kind.VALUE, keys, *sizes)
            return
        pairs = list(zip(range(len(monolith)), monolith, service, strict=True))
        if any(path.matches(keys) for path in self.rules.unordered) and monolith != service:
            pairs = self._matched(monolith, service, keys)
            self.ignored = True
        for position, one, other in pairs:
            yield from self.differences(one, other, (*keys, position))

    def _matched(
        self, monolith: list[object], service: list[object], keys: tuple[Key, ...]
    ) -> list[tuple[int, object, object]]:
        """The items that have no equal on the other side, paired as well as may be."""
        spell = partial(self._spelling, keys=keys)
        ours = [spell(item, position) for position, item in enumerate(monolith)]
        theirs = [spell(item, position) for position, item in enumerate(service)]
        equal = Counter(ours) & Counter(theirs)
        return [
            (position, monolith[position], service[other])
            for position, other in zip(
                _unmatched(ours, Counter(equal)), _unmatched(theirs, Counter(equal)), strict=True
            )
        ]

    def _spelling(self, item: object, position: int, *, keys: tuple[Key, ...]) -> bytes:
        """The item as canonical JSON, without what is ignored."""
        return msgspec.json.encode(self._kept(item, (*keys, position)), order="sorted")

    def _kept(self, value: object, keys: tuple[Key, ...]) -> object:
        if any(path.covers(keys) for path in self.rules.ignore):
            return None
        if isinstance(value, dict):
            return {name: self._kept(item, (*keys, name)) for name, item in value.items()}
        if isinstance(value, list):
            kept = [self._kept(item, (*keys, at)) for at, item in enumerate(value)]
            if any(path.matches(keys) for path in self.rules.unordered):
                kept.sort(key=partial(msgspec.json.encode, order="sorted"))
            return kept
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return value

    @staticmethod
    def _differ(kind: Kind, keys: tuple[Key, ...], monolith: object, service: object) -> Difference:
        path = render(keys, general=True)
        return Difference(kind, path, render(keys), monolith, service, keys)


def _unmatched(spellings: list[bytes], equal: Counter[bytes]) -> list[int]:
    """The positions that have no equal, in the order of what is there."""
    left = []
    for position, spelling in enumerate(spellings):
        if equal[spelling]:
            equal[spelling] -= 1
        else:
            left.append(position)
    return sorted(left, key=spellings.__getitem__)


def _type(value: object) -> str:
    """What JSON calls the type of a value."""
    if value is ABSENT:
        return "absent"
    return _TYPES[type(value)]


_TYPES = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    type(None): "null",
}
