"""The declaring half of ports: what a capability can do for others, as a typed class.

::

    class Catalog(Port, capability="catalog"):
        \"\"\"What the shop sells.\"\"\"

        @query(timeout=1.0, raises=[UnknownProduct])
        def product(self, sku: str) -> Product:
            \"\"\"One product, active or not.\"\"\"

The signature is the contract: clients, servers, schemas and faces are derived from it. Whoever
answers for a capability subclasses its port and writes the methods. Contracts import this module
and ``strangler.ports.errors``, and nothing else of the kit.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import re
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FunctionType, MappingProxyType
from typing import Any, ClassVar, Final, TypeVar

import msgspec
from msgspec import Meta

from strangler.ports.crossing import Violation, fields, violations
from strangler.ports.errors import DeclaredError
from strangler.routing.decide import Kind

__all__ = [
    "REQUIRED",
    "ContractError",
    "Kind",
    "Meta",
    "Method",
    "Parameter",
    "Port",
    "Violation",
    "capability",
    "command",
    "declared",
    "methods",
    "query",
]

F = TypeVar("F", bound=Callable[..., Any])

_DECLARATION = "__strangler_declaration__"
_CAPABILITY = re.compile(r"[a-z][a-z0-9_]*")


class ContractError(TypeError):
    """A contract declares what can't cross; ``violations`` holds all there is to mend."""

    def __init__(self, port: str, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)
        lines = "".join(f"\n  {violation}" for violation in self.violations)
        super().__init__(f"{port} can't be a port:{lines}")


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
        return capability(self.port)

    def __str__(self) -> str:
        return f"{self.capability}.{self.name}"


@dataclasses.dataclass(frozen=True, slots=True)
class _Declaration:
    """What a decorator was told, until the class is there."""

    function: FunctionType
    kind: Kind
    timeout: float
    idempotent: bool
    raises: tuple[type[DeclaredError], ...]
    fallback: Callable[..., Any] | None = None


def query(
    *,
    timeout: float = 2.0,
    raises: Iterable[type[DeclaredError]] = (),
    fallback: Callable[..., Any] | None = None,
) -> Callable[[F], F]:
    """Declare a method that changes nothing: it may be repeated, compared, and answered elsewhere.

    Args:
        timeout: seconds that a caller waits for the answer, all attempts together.
        raises: the errors that a caller is told by name.
        fallback: answers with the same arguments when nobody else does.
    """

    def declare(function: F) -> F:
        told = _Declaration(_function(function), Kind.QUERY, timeout, True, tuple(raises), fallback)  # noqa: FBT003 - a query is idempotent
        return _declared(function, told)

    return declare


def command(
    *,
    timeout: float = 2.0,
    idempotent: bool = False,
    raises: Iterable[type[DeclaredError]] = (),
) -> Callable[[F], F]:
    """Declare a method that changes something: it is sent to the owner, once.

    Args:
        timeout: seconds that a caller waits for the answer, all attempts together.
        idempotent: executing it twice is the same as once, so it may be sent again.
        raises: the errors that a caller is told by name.
    """

    def declare(function: F) -> F:
        told = _Declaration(_function(function), Kind.COMMAND, timeout, idempotent, tuple(raises))
        return _declared(function, told)

    return declare


class Port:
    """What a capability can do for others: a class of declared methods with no body.

    A subclass with ``capability=`` declares; a subclass of that one answers. Instances that callers
    hold come from ``bind``.
    """

    __strangler_port__: ClassVar[_Declared]

    def __init_subclass__(cls, *, capability: str | None = None, **kwargs: Any) -> None:
        """Check the declaration.

        Raises:
            ContractError: with every violation of this port at once.
        """
        super().__init_subclass__(**kwargs)
        if capability is None:
            if Port in cls.__bases__:
                remedy = f'write class {cls.__name__}(Port, capability="…")'
                raise ContractError(_label(cls), [Violation(cls.__name__, "no capability", remedy)])
            return
        found: list[Violation] = []
        declared_methods = _collect(cls, capability, found)
        if found:
            raise ContractError(_label(cls), found)
        cls.__strangler_port__ = _Declared(capability, cls, MappingProxyType(declared_methods))


@dataclasses.dataclass(frozen=True, slots=True)
class _Declared:
    capability: str
    port: type[Port]
    methods: Mapping[str, Method]


def methods(port: type[Port]) -> Mapping[str, Method]:
    """The methods of a port (or of the port that an implementation answers for), by name."""
    return port.__strangler_port__.methods


def capability(port: type[Port]) -> str:
    """The capability that a port (or an implementation of it) belongs to."""
    return port.__strangler_port__.capability


def declared(implementation: type[Port]) -> type[Port]:
    """The port itself, given it or an implementation of it."""
    return implementation.__strangler_port__.port


def _label(port: type) -> str:
    return f"{port.__module__}.{port.__qualname__}"


def _function(function: Callable[..., Any]) -> FunctionType:
    if isinstance(function, FunctionType) and not inspect.iscoroutinefunction(function):
        return function
    raise TypeError(
        f"a port's method is a plain function: write `def name(self, …) -> …`, not {function!r}. "
        "Whether a call waits is the transport's business"
    )


def _declared(function: F, told: _Declaration) -> F:
    @functools.wraps(function)
    def unwritten(self: Port, *_args: Any, **_kwargs: Any) -> Any:
        raise NotImplementedError(
            f"{_label(type(self))} does not answer {told.function.__name__}(): "
            "write that method, or call through bind()"
        )

    setattr(unwritten, _DECLARATION, told)
    return typing.cast("F", unwritten)


def _collect(port: type[Port], owner: str, found: list[Violation]) -> dict[str, Method]:
    """The declared methods; whatever is wrong with them is added to ``found``."""
    if not _CAPABILITY.fullmatch(owner):
        remedy = "use lower case letters, digits and _: it is part of URLs and variable names"
        found.append(Violation(port.__name__, f"capability {owner!r}", remedy))
    if port.__bases__ != (Port,):
        remedy = "a port stands alone: derive it from Port only"
        found.append(Violation(port.__name__, f"bases {port.__bases__}", remedy))
    collected: dict[str, Method] = {}
    for name, value in vars(port).items():
        told = getattr(value, _DECLARATION, None)
        where = f"{owner}.{name}"
        if told is None:
            if not name.startswith("_"):
                remedy = "decorate it with @query() or @command(), or take it out of the port"
                found.append(Violation(where, f"an undeclared {type(value).__name__}", remedy))
        elif name.startswith("_") or not name.isascii():
            remedy = "a method's name is public and ASCII: it is part of a URL"
            found.append(Violation(where, f"the name {name!r}", remedy))
        else:
            collected[name] = _method(port, where, name, told, found)
    for name in inspect.get_annotations(port):
        if name not in vars(port) and not name.startswith("_"):
            remedy = "a port has methods only; declare a @query() that returns it"
            found.append(Violation(f"{owner}.{name}", "an attribute", remedy))
    return collected


def _method(
    port: type[Port], where: str, name: str, told: _Declaration, found: list[Violation]
) -> Method:
    if not (math.isfinite(told.timeout) and told.timeout > 0):
        found.append(Violation(where, f"timeout={told.timeout}", "give seconds, more than 0"))
    found.extend(_errors(where, told.raises))
    signature = inspect.signature(told.function)
    parameters: list[Parameter] = []
    for index, parameter in enumerate(signature.parameters.values()):
        if index == 0:
            if parameter.name != "self":
                remedy = "the first parameter of a method is self"
                found.append(Violation(where, f"a method without self: {signature}", remedy))
            continue
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


def _resolve(place: str, annotation: Any, told: _Declaration, found: list[Violation]) -> Any:
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
            yield Violation(place, f"{error.__name__} again or bare", remedy)
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
