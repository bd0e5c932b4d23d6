"""Which types may cross a boundary.

What a contract speaks of must mean the same on both sides of a wire, and must not change under the
hands of whoever holds it: scalars, enums, lists, tuples, string-keyed dicts, unions that JSON can
tell apart, and frozen, slotted dataclasses of these. Everything else is refused when the contract
is imported, with what to write instead.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin
from uuid import UUID

import msgspec

SCALARS = frozenset(
    {str, int, float, bool, bytes, Decimal, datetime, date, time, timedelta, UUID, type(None)}
)

_DTO = "a frozen, slotted dataclass with what the caller needs: @dataclass(frozen=True, slots=True)"
_INSTEAD: dict[Any, str] = {
    Any: "name the type",
    object: "name the type",
    list: "say of what: list[str]",
    tuple: "say of what: tuple[str, ...]",
    dict: "say of what: dict[str, int]",
    set: "use list[T]: JSON has no sets, and a set has no order to compare by",
    frozenset: "use tuple[T, ...]: JSON has no sets, and a set has no order to compare by",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Violation:
    """Something in a contract that can't cross: where it stands, what it is, what to write."""

    where: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: found {self.found}; {self.remedy}"


def violations(hint: Any, where: str) -> Iterator[Violation]:
    """Everything in this resolved type hint that may not cross a boundary."""
    found = list(_walk(hint, where, frozenset()))
    yield from found
    if found:
        return
    try:
        msgspec.json.Decoder(hint)
    except (TypeError, ValueError) as error:
        reason = str(error).partition(" - type ")[0].partition("\n")[0]
        yield Violation(
            where, name(hint), f"JSON can't tell its values apart or check it: {reason}"
        )


def fields(owner: type) -> Mapping[str, Any]:
    """The resolved type of each field of a dataclass, annotations as strings included.

    Raises:
        NameError: an annotation names what its module does not have.
    """
    hints = typing.get_type_hints(owner, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(owner)}


def name(hint: Any) -> str:
    """The type as a person would write it."""
    if hint is type(None):
        return "None"
    if get_origin(hint) is None and isinstance(hint, type):
        return hint.__qualname__
    return str(hint).replace("typing.", "")


def _walk(hint: Any, where: str, seen: frozenset[type]) -> Iterator[Violation]:
    hint = plain(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal or (isinstance(hint, type) and hint in SCALARS):
        return
    if origin in {Union, types.UnionType} or (origin is tuple and arguments):
        inner: tuple[Any, ...] = tuple(item for item in arguments if item is not Ellipsis)
    elif origin is list and len(arguments) == 1:
        inner = arguments
    elif origin is dict and len(arguments) == 2:
        if plain(arguments[0]) is not str:
            yield Violation(where, name(hint), "a key is a str in JSON: dict[str, T]")
        inner = arguments[1:]
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        yield from _enum(hint, where)
        return
    elif isinstance(owner := origin or hint, type) and dataclasses.is_dataclass(owner):
        yield from _dataclass(owner, where, seen)
        return
    else:
        yield Violation(where, name(hint), _remedy(hint, origin))
        return
    for item in inner:
        yield from _walk(item, where, seen)


def plain(hint: Any) -> Any:
    """The type below its constraints and its nicknames (``Annotated``, ``NewType``, ``type X``)."""
    while True:
        if get_origin(hint) is Annotated:
            hint = get_args(hint)[0]
        elif isinstance(hint, NewType):
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType":  # Python 3.12's `type X = …`
            hint = hint.__value__
        else:
            return hint


def _enum(hint: type[enum.Enum], where: str) -> Iterator[Violation]:
    kinds = {type(member.value) for member in hint}
    if issubclass(hint, enum.Flag) or kinds not in ({str}, {int}):
        yield Violation(where, f"the enum {name(hint)}", "its values must be all str or all int")


def _dataclass(hint: type[Any], where: str, seen: frozenset[type]) -> Iterator[Violation]:
    if hint in seen:
        return
    label = f"the dataclass {name(hint)}"
    params = hint.__dataclass_params__
    if issubclass(hint, BaseException):
        yield Violation(where, name(hint), "an error is declared in raises=[…], and raised")
        return
    if not params.frozen or hint.__dictoffset__:
        lacks = " and ".join(
            word
            for word, bad in (("frozen", not params.frozen), ("slotted", hint.__dictoffset__))
            if bad
        )
        yield Violation(
            where, f"{label}, which is not {lacks}", "make it @dataclass(frozen=True, slots=True)"
        )
    if getattr(hint, "__parameters__", ()):
        yield Violation(where, f"{label}, which is generic", "write one dataclass for each use")
        return
    try:
        hints = fields(hint)
    except NameError as error:
        yield Violation(
            where,
            f"{label}, where {error}",
            "import or define that name at module level, outside `if TYPE_CHECKING`",
        )
        return
    for field in dataclasses.fields(hint):
        inside = f"{where} → {name(hint)}.{field.name}"
        if not field.init:
            yield Violation(inside, "init=False", "a field that travels is set by the constructor")
        yield from _walk(hints[field.name], inside, seen | {hint})


def _remedy(hint: Any, origin: Any) -> str:
    for key in (hint, origin):
        try:
            if key in _INSTEAD:
                return _INSTEAD[key]
        except TypeError:  # not hashable
            continue
    owner = hint if isinstance(hint, type) else origin
    modules = {base.__module__ for base in getattr(owner, "__mro__", ())}
    if any(module.startswith("django.db.models") for module in modules):
        return f"models and QuerySets stay at home; pass {_DTO}"
    if any(module.partition(".")[0] == "pydantic" for module in modules):
        return f"contracts depend on no framework; pass {_DTO}"
    if getattr(owner, "__module__", None) == "collections.abc":
        if owner is not None and owner.__name__ == "Callable":
            return "code does not travel; pass what it would compute"
        return "name what JSON makes of it: list[T], tuple[T, ...] or dict[str, T]"
    return f"pass {_DTO}"
