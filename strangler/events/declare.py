"""The declaring half of events: what a capability says has happened, as a typed record.

::

    @event("catalog.product.changed", key="sku")
    @dataclass(frozen=True, slots=True)
    class ProductChanged:
        \"\"\"What a product is like from now on.\"\"\"

        sku: str
        name: str

The three words are the capability that speaks, the aggregate, and what has happened to it. Events
of one aggregate (of one ``key``) arrive in the order in which they happened; those of different
ones in any. A record may gain fields that have defaults. For any other change its ``schema`` is
raised, and an upcaster says what an event of the old one would be today::

    @upcaster(ProductChanged, schema=1)
    def _(old: dict[str, Any]) -> dict[str, Any]:
        return {**old, "name": old.pop("title")}

Contracts import this module, and nothing else of ``strangler.events``.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar
from uuid import UUID

from strangler.ports.crossing import Violation, fields, plain, violations

__all__ = [
    "BadEvent",
    "Declared",
    "UnknownEvent",
    "declared",
    "event",
    "events",
    "find",
    "upcaster",
]

T = TypeVar("T", bound=type)
Data = dict[str, Any]
Upcaster = Callable[[Data], Data]

_TYPE = re.compile(r"(?P<capability>[a-z][a-z0-9_]*)\.[a-z][a-z0-9_]*\.[a-z][a-z0-9_-]*")
_KEYS = (str, int, UUID)
_MARK = "__strangler_event__"


class BadEvent(TypeError):
    """An event declares what can't cross; ``violations`` holds all there is to mend."""

    def __init__(self, name: str, found: tuple[Violation, ...]) -> None:
        self.violations = found
        lines = "".join(f"\n  {violation}" for violation in found)
        super().__init__(f"{name} can't be an event:{lines}")


class UnknownEvent(LookupError):
    """No contract that was imported here declares an event of this type."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Declared:
    """One kind of event.

    Attributes:
        name: its three words, which are its type on every bus.
        record: the class of its data.
        key: the field whose value names the aggregate.
        schema: grows whenever the data change in another way than by fields with defaults.
        upcasters: by the schema that each takes, what makes data of the next one.
    """

    name: str
    record: type
    key: str
    schema: int
    upcasters: dict[int, Upcaster] = dataclasses.field(default_factory=dict)

    @property
    def capability(self) -> str:
        """Who says it."""
        return self.name.partition(".")[0]

    @property
    def aggregate(self) -> str:
        """What it is said of, such as ``catalog.product``."""
        return self.name.rpartition(".")[0]

    def key_of(self, said: object) -> str:
        """The aggregate that this event is about."""
        return str(getattr(said, self.key))

    def brought_up(self, data: Data, schema: int) -> Data:
        """Data of an older schema as they would be said today."""
        for older in range(schema, self.schema):
            data = self.upcasters[older](data)
        return data

    def missing(self) -> Iterator[int]:
        """The schemas that nobody can bring up to the next one."""
        return (older for older in range(1, self.schema) if older not in self.upcasters)


_declared: dict[str, Declared] = {}


def event(type: str, *, key: str, schema: int = 1) -> Callable[[T], T]:  # noqa: A002 -- CloudEvents' word
    """Declare a frozen, slotted dataclass to be an event of this ``type``.

    Args:
        type: ``capability.aggregate.what_happened``.
        key: the field (text, a number or a UUID) that names the aggregate.
        schema: see the module.

    Raises:
        BadEvent: with everything that is wrong with it at once.
    """

    def declare(record: T) -> T:
        found = tuple(_violations(type, record, key, schema))
        if found:
            raise BadEvent(f"{record.__module__}.{record.__qualname__}", found)
        said = Declared(type, record, key, schema)
        setattr(record, _MARK, said)
        _declared[type] = said
        return record

    return declare


def upcaster(record: type, *, schema: int) -> Callable[[Upcaster], Upcaster]:
    """Say what data of this ``schema`` (as JSON has them) would be in the next one.

    Raises:
        ValueError: there is no next one, or it has been said.
    """
    said = declared(record)

    def declare(function: Upcaster) -> Upcaster:
        if not 1 <= schema < said.schema or schema in said.upcasters:
            raise ValueError(
                f"{said.name}: an upcaster of schema {schema} is said once, and schema is "
                f"below {said.schema}"
            )
        said.upcasters[schema] = function
        return function

    return declare


def declared(record: type) -> Declared:
    """What is declared of an event's class.

    Raises:
        UnknownEvent: it is none.
    """
    said = vars(record).get(_MARK)
    if not isinstance(said, Declared):
        raise UnknownEvent(f"{record.__qualname__} is no event: decorate it with @event(…)")
    return said


def find(type: str) -> Declared:  # noqa: A002 -- CloudEvents' word
    """The event of this type.

    Raises:
        UnknownEvent: nobody has declared one.
    """
    try:
        return _declared[type]
    except KeyError:
        raise UnknownEvent(f"nobody here knows an event {type!r}: import its contract") from None


def events(capability: str | None = None) -> Mapping[str, Declared]:
    """The events that have been declared, of this capability or of all, by type."""
    return MappingProxyType(
        {
            type_: said
            for type_, said in sorted(_declared.items())
            if capability in {None, said.capability}
        }
    )


def _violations(type_: str, record: type, key: str, schema: int) -> Iterator[Violation]:
    where = record.__qualname__
    if not _TYPE.fullmatch(type_):
        remedy = "write capability.aggregate.what, such as catalog.product.changed"
        yield Violation(where, f"the type {type_!r}", remedy)
    elif type_ in _declared and not _same(_declared[type_].record, record):
        remedy = "two events can't be of one type: rename one"
        yield Violation(where, f"the type {type_!r}, which another class has", remedy)
    if schema < 1:
        yield Violation(where, f"schema {schema}", "count from 1")
    if not dataclasses.is_dataclass(record):
        remedy = "put @dataclass(frozen=True, slots=True) below @event(…)"
        yield Violation(where, "no dataclass", remedy)
        return
    yield from violations(record, where)
    try:
        kind = plain(fields(record)[key])
    except KeyError:
        yield Violation(where, f"the key {key!r}", "name one of its fields")
    except NameError:
        return  # is among the violations
    else:
        if kind not in _KEYS:
            yield Violation(
                f"{where}.{key}", f"a key of {kind}", "a key is a str, an int or a UUID"
            )


def _same(one: type, other: type) -> bool:
    """A module may be imported again."""
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)
