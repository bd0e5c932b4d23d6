"""What a change of a JSON Schema does to those who rely on it.

A schema is compared with its successor in one direction, field by field; ``change``, beside this,
says what follows from a difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from strangler.ports.freezing.change import Change, Direction, Effect, change, judged

Schema = Mapping[str, Any]

_BOUNDS = (
    ("minimum", "exclusiveMinimum", 1),
    ("maximum", "exclusiveMaximum", -1),
    ("minLength", "", 1),
    ("maxLength", "", -1),
    ("minItems", "", 1),
    ("maxItems", "", -1),
    ("minProperties", "", 1),
    ("maxProperties", "", -1),
)
_STRUCTURE = ("type", "enum", "const", "properties", "required", "additionalProperties", "items")
_REFERENCES = ("prefixItems", "anyOf", "oneOf", "$ref", "default")
_FOR_PEOPLE = ("title", "description", "example", "examples", "deprecated", "$comment")
_KNOWN = frozenset(
    (*_STRUCTURE, *_REFERENCES, *_FOR_PEOPLE, *(word for row in _BOUNDS for word in row[:2]))
)
"""Keywords that are compared by rules of their own, or say nothing about values."""


class Variance:
    """Compares schemas whose ``$ref`` point into these tables of named types."""

    def __init__(self, old: Mapping[str, Schema], new: Mapping[str, Schema]) -> None:
        self._old = old
        self._new = new
        self._open: set[tuple[str, str]] = set()

    def compare(
        self, old: Schema, new: Schema, where: str, direction: Direction
    ) -> Iterator[Change]:
        """Every difference between two schemas, outermost first."""
        references = (old.get("$ref", ""), new.get("$ref", ""))
        if references in self._open:
            return  # a type within itself: the outer comparison says it all
        recursive = all(references)
        if recursive:
            self._open.add(references)
        yield from self._variants(
            _variants(old, self._old), _variants(new, self._new), where, direction
        )
        if recursive:
            self._open.discard(references)

    def _variants(
        self, old: list[Schema], new: list[Schema], where: str, direction: Direction
    ) -> Iterator[Change]:
        pairs, gone, come = _paired(old, new)
        if gone and come:
            what = f"{_words(gone)} became {_words(come)}"
            yield judged(where, what, direction, _between(gone, come))
        elif gone:
            what = f"{_words(gone)} is not possible any more"
            yield judged(where, what, direction, Effect.NARROWER)
        elif come:
            yield judged(where, f"{_words(come)} is possible now", direction, Effect.WIDER)
        for before, after in pairs:
            yield from self._one(before, after, where, direction)

    def _one(self, old: Schema, new: Schema, where: str, direction: Direction) -> Iterator[Change]:
        if _kind(old) != _kind(new):
            what = f"{_kind(old)} became {_kind(new)}"
            yield judged(where, what, direction, _between([old], [new]))
        for what, effect in (*_members(old, new), *_bounds(old, new), *_others(old, new)):
            yield judged(where, what, direction, effect)
        if "properties" in old or "properties" in new:
            yield from self.properties(old, new, where + ".", "", direction)
        yield from self._values(old, new, where, direction)
        yield from self._places(old, new, where, direction)

    def properties(
        self, old: Schema, new: Schema, prefix: str, suffix: str, direction: Direction
    ) -> Iterator[Change]:
        """The differences between two objects, field by field."""
        before, after = old.get("properties", {}), new.get("properties", {})
        for name in (*before, *(name for name in after if name not in before)):
            where = f"{prefix}{name}{suffix}"
            was, now = name in old.get("required", ()), name in new.get("required", ())
            if name not in after:
                yield _removed(where, direction, required=was)
            elif name not in before:
                yield _added(where, direction, required=now)
            else:
                if was and not now:
                    yield judged(where, "may be left out now", direction, Effect.WIDER)
                elif now and not was:
                    yield judged(where, "is required now", direction, Effect.NARROWER)
                elif before[name].get("default") != after[name].get("default"):
                    yield _default(where, direction, before[name], after[name])
                yield from self.compare(before[name], after[name], where, direction)

    def _values(
        self, old: Schema, new: Schema, where: str, direction: Direction
    ) -> Iterator[Change]:
        """Lists and dicts: what they are of."""
        for keyword, place in (("items", "[]"), ("additionalProperties", "{}")):
            before, after = _open_or(old.get(keyword)), _open_or(new.get(keyword))
            if before is after:
                continue
            if isinstance(before, Mapping) and isinstance(after, Mapping):
                yield from self.compare(before, after, where + place, direction)
            elif after is False or before is None:
                only = f"only {_kind(after)}" if isinstance(after, Mapping) else "nothing more"
                what = f"{only} may be in it"
                yield judged(where + place, what, direction, Effect.NARROWER)
            else:
                what = "something else may be in it, too"
                yield judged(where + place, what, direction, Effect.WIDER)

    def _places(
        self, old: Schema, new: Schema, where: str, direction: Direction
    ) -> Iterator[Change]:
        """Tuples of a fixed size: what stands where."""
        before, after = old.get("prefixItems"), new.get("prefixItems")
        if before is None and after is None:
            return
        if before is None or after is None or len(before) != len(after):
            what = f"{len(before or ())} fixed places became {len(after or ())}"
            yield judged(where, what, direction, Effect.DIFFERENT)
            return
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from self.compare(one, other, f"{where}[{index}]", direction)


def _removed(where: str, direction: Direction, *, required: bool) -> Change:
    what = "removed" if required or direction is Direction.RESPONSE else "removed (it was optional)"
    # A caller may stop reading, or stop sending what it need not send, before the provider changes.
    callers_first = direction is Direction.RESPONSE or not required
    return change(where, what, direction, provider_first=False, callers_first=callers_first)


def _added(where: str, direction: Direction, *, required: bool) -> Change:
    what = f"added, {'required' if required else 'optional'}"
    if direction is Direction.REQUEST:
        # An old provider would ignore what a new caller asks for.
        return change(where, what, direction, provider_first=not required, callers_first=False)
    return change(where, what, direction, provider_first=True, callers_first=not required)


def _default(where: str, direction: Direction, old: Schema, new: Schema) -> Change:
    what = f"the default {old.get('default')!r} became {new.get('default')!r}"
    # In a request it is another question of whoever leaves it out; an answer is always whole.
    same = direction is Direction.RESPONSE
    return change(where, what, direction, provider_first=same, callers_first=same)


def _variants(schema: Schema, types: Mapping[str, Schema]) -> list[Schema]:
    """The alternatives that a schema stands for, references resolved."""
    if "$ref" in schema:
        schema = types[schema["$ref"].rpartition("/")[2]]
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            return [found for member in schema[keyword] for found in _variants(member, types)]
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": kind} for kind in schema["type"]]
    return [schema]


def _kind(schema: Schema) -> str:
    """What sort of JSON value it is."""
    if "type" in schema:
        return str(schema["type"])
    if "enum" in schema or "const" in schema:
        kinds = {type(value) for value in _enumerated(schema) or ()}
        return {str: "string", int: "integer", bool: "boolean"}.get(
            kinds.pop() if len(kinds) == 1 else object, "anything"
        )
    return "object" if "properties" in schema else "anything"


def _words(schemas: list[Schema]) -> str:
    return " or ".join(" ".join((_kind(schema), *_tag(schema))) for schema in schemas)


def _tag(schema: Schema) -> tuple[str, ...]:
    """The fixed values by which one sort of object is told from another."""
    values = [_enumerated(field) or () for field in schema.get("properties", {}).values()]
    return tuple(repr(fixed[0]) for fixed in values if len(fixed) == 1)


def _between(old: list[Schema], new: list[Schema]) -> Effect:
    before, after = {_kind(schema) for schema in old}, {_kind(schema) for schema in new}
    if "anything" in after or (before == {"integer"} and after == {"number"}):
        return Effect.WIDER
    if "anything" in before or (before == {"number"} and after == {"integer"}):
        return Effect.NARROWER
    return Effect.DIFFERENT


def _paired(
    old: list[Schema], new: list[Schema]
) -> tuple[list[tuple[Schema, Schema]], list[Schema], list[Schema]]:
    """Which alternative became which; what is gone; what has come."""
    come = list(new)
    pairs: list[tuple[Schema, Schema]] = []
    gone: list[Schema] = []
    for before in old:
        alike = [after for after in come if _tag(after) == _tag(before)]
        ranked = [
            *(after for after in come if after == before),
            *(after for after in alike if _kind(after) == _kind(before)),
            *(after for after in alike if {_kind(after), _kind(before)} == {"integer", "number"}),
        ]
        if ranked:
            come.remove(ranked[0])
            pairs.append((before, ranked[0]))
        else:
            gone.append(before)
    return pairs, gone, come


def _enumerated(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return schema.get("enum")


def _members(old: Schema, new: Schema) -> Iterator[tuple[str, Effect]]:
    before, after = _enumerated(old), _enumerated(new)
    if before is None or after is None:
        if after is not None:
            yield f"only {_listed(after)} is possible now", Effect.NARROWER
        elif before is not None:
            yield f"more than {_listed(before)} is possible now", Effect.WIDER
        return
    gone = [value for value in before if value not in after]
    come = [value for value in after if value not in before]
    if gone and come:
        yield f"{_listed(gone)} became {_listed(come)}", Effect.DIFFERENT
    elif gone:
        yield f"{_listed(gone)} is not possible any more", Effect.NARROWER
    elif come:
        yield f"{_listed(come)} is possible now", Effect.WIDER


def _listed(values: list[Any]) -> str:
    return ", ".join(repr(value) for value in values)


def _bounds(old: Schema, new: Schema) -> Iterator[tuple[str, Effect]]:
    for keyword, exclusive, sign in _BOUNDS:
        before, after = (_bound(schema, keyword, exclusive, sign) for schema in (old, new))
        if before != after:
            tighter = before is None or (after is not None and after > before)
            words = [
                f"{exclusive if bound[1] else keyword} {sign * bound[0]}"
                if bound
                else f"no {keyword}"
                for bound in (before, after)
            ]
            what = " became ".join(words)
            yield what, Effect.NARROWER if tighter else Effect.WIDER


def _bound(schema: Schema, keyword: str, exclusive: str, sign: int) -> tuple[float, bool] | None:
    """The tightest of a schema's bounds on one side; of two, the greater is tighter."""
    bounds: list[tuple[float, bool]] = []
    if keyword in schema:
        bounds.append((sign * schema[keyword], False))
    if exclusive in schema:
        limit = sign * schema[exclusive]
        whole = _kind(schema) == "integer" and isinstance(limit, int)
        bounds.append((limit + 1, False) if whole else (limit, True))
    return max(bounds, default=None)


def _others(old: Schema, new: Schema) -> Iterator[tuple[str, Effect]]:
    for keyword in sorted((old.keys() | new.keys()) - _KNOWN):
        before, after = old.get(keyword), new.get(keyword)
        if before == after:
            continue
        if before is None:
            yield f"{keyword} {after!r} is demanded now", Effect.NARROWER
        elif after is None:
            yield f"{keyword} {before!r} is not demanded any more", Effect.WIDER
        else:
            yield f"{keyword} {before!r} became {after!r}", Effect.DIFFERENT


def _open_or(found: Any) -> Any:
    """``additionalProperties: true`` and ``{}`` say no more than its absence."""
    return None if found is True or found == {} else found
