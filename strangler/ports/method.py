"""One method of a port: what its declaration says, read and checked."""

from __future__ import annotations

import dataclasses
import inspect
import math
import typing
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from strangler.ports.crossing import Violation, fields, violations
from strangler.ports.errors import DeclaredError
from strangler.routing.decide import Kind

if TYPE_CHECKING:
    from strangler.ports.declare import Port


class _Required:
    """Stands where a parameter has no default."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()


@dataclasses.dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a method. ``type`` is resolved, with its constraints (``Annotated``)."""

    name: str
    type: Any
    default: Any = REQUIRED
    keyword_only: bool = False


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Method:
    """One method of a port, as declared. Equal only to itself, so that it can key a cache.

    ``timeout`` is in seconds. ``idempotent`` is True of every query. ``fallback`` answers a query
    that neither arm has answered; it is called with the query's own arguments.
    """

    port: type[Port]
    name: str
    kind: Kind
    timeout: float
    idempotent: bool
    raises: tuple[type[DeclaredError], ...]
    parameters: tuple[Parameter, ...]
    returns: Any
    doc: str
    fallback: Callable[..., Any] | None = None

    @property
    def capability(self) -> str:
        """The capability that this method belongs to."""
        return self.port.__strangler_port__.capability

    def __str__(self) -> str:
        return f"{self.capability}.{self.name}"


@dataclasses.dataclass(frozen=True, slots=True)
class Declaration:
    """What a decorator was told, until the class is there."""

    function: FunctionType
    kind: Kind
    timeout: float
    idempotent: bool
    raises: tuple[type[DeclaredError], ...]
    fallback: Callable[..., Any] | None = None


def read(
    port: type[Port], where: str, name: str, told: Declaration, found: list[Violation]
) -> Method:
    """The method that was declared; whatever is wrong with it is added to ``found``."""
    if not (math.isfinite(told.timeout) and told.timeout > 0):
        found.append(Violation(where, f"timeout={told.timeout}", "give seconds, more than 0"))
    found.extend(_errors(where, told.raises))
    signature = inspect.signature(told.function)
    parameters: list[Parameter] = []
    given = list(signature.parameters.values())
    if not given or given[0].name != "self":
        remedy = "the first parameter of a method is self"
        found.append(Violation(where, f"the signature {signature}", remedy))
    for parameter in given[1:]:
        place = f"{where}({parameter.name})"
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            found.append(Violation(place, str(parameter), "name each parameter"))
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY:
            remedy = "arguments travel by name: take the / out"
            found.append(Violation(place, "a positional-only parameter", remedy))
        hint = _resolve(place, parameter.annotation, told, found)
        default = REQUIRED if parameter.default is parameter.empty else parameter.default
        if hint is not _UNRESOLVED and default is not REQUIRED:
            found.extend(_default(place, hint, default))
        keyword_only = parameter.kind is parameter.KEYWORD_ONLY
        parameters.append(Parameter(parameter.name, hint, default, keyword_only))
    returns = _resolve(f"{where} -> return", signature.return_annotation, told, found)
    return Method(
        port=port,
        name=name,
        kind=told.kind,
        timeout=float(told.timeout),
        idempotent=told.idempotent,
        raises=told.raises,
        parameters=tuple(parameters),
        returns=returns,
        doc=inspect.getdoc(told.function) or "",
        fallback=told.fallback,
    )


_UNRESOLVED: Final = object()


def _resolve(place: str, annotation: Any, told: Declaration, found: list[Violation]) -> Any:
    if annotation is inspect.Parameter.empty:
        found.append(Violation(place, "no annotation", "name the type"))
        return _UNRESOLVED
    holder = type("holder", (), {"__annotations__": {"hint": annotation}})
    try:
        hint = typing.get_type_hints(holder, told.function.__globals__, include_extras=True)["hint"]
    except NameError as error:
        remedy = "import or define it above the port, at module level, outside `if TYPE_CHECKING`"
        found.append(Violation(place, f"`{annotation}`, where {error}", remedy))
        return _UNRESOLVED
    except (SyntaxError, TypeError) as error:
        found.append(
            Violation(place, f"`{annotation}`, which is no type: {error}", "name the type")
        )
        return _UNRESOLVED
    problems = list(violations(hint, place))
    found.extend(problems)
    return _UNRESOLVED if problems else hint


def _default(place: str, hint: Any, default: Any) -> Iterator[Violation]:
    if isinstance(default, list | dict | set):
        remedy = "a default is shared by all calls: use None or a tuple"
        yield Violation(place, f"the mutable default {default!r}", remedy)
        return
    try:
        same = msgspec.json.decode(msgspec.json.encode(default), type=hint) == default
    except (TypeError, ValueError, msgspec.MsgspecError):
        same = False
    if not same:
        remedy = "a default must be a value of the parameter's type that survives JSON"
        yield Violation(place, f"the default {default!r}", remedy)


def _errors(where: str, raises: Iterable[Any]) -> Iterator[Violation]:
    seen: set[str] = set()
    for error in raises:
        place = f"{where} raises {getattr(error, '__name__', error)}"
        if not (isinstance(error, type) and issubclass(error, DeclaredError)):
            remedy = "derive it from strangler.ports.errors.DeclaredError"
            yield Violation(place, f"{error!r}", remedy)
            continue
        if error is DeclaredError or error.__name__ in seen:
            remedy = "each error has a class and a name of its own: it travels by name"
            what = "the bare DeclaredError" if error is DeclaredError else "that name twice"
            yield Violation(place, what, remedy)
            continue
        seen.add(error.__name__)
        try:
            hints = fields(error)
        except NameError as problem:
            remedy = "import or define that name at module level, outside `if TYPE_CHECKING`"
            yield Violation(place, str(problem), remedy)
            continue
        for name, hint in hints.items():
            if hasattr(DeclaredError, name):
                remedy = "every exception has that attribute already: choose another name"
                yield Violation(f"{place}.{name}", f"the field {name!r}", remedy)
            yield from violations(hint, f"{place}.{name}")
