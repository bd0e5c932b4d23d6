"""The declaring half of ports: what a capability can do for others, as a typed class.

::

    class Catalog(Port, capability="catalog"):
        \"\"\"What the shop sells.\"\"\"

        @query(timeout=1.0, raises=[UnknownProduct])
        def product(self, sku: str) -> Product:
            \"\"\"One product, active or not.\"\"\"

The signature is the contract: clients, servers, schemas and faces are derived from it. Whoever
answers for a capability subclasses its port and writes the methods. Contracts import this module,
``strangler.ports.errors`` and ``strangler.events.declare``, and nothing else of the kit.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType, MappingProxyType
from typing import Any, ClassVar, TypeVar

from msgspec import Meta

from strangler.ports.crossing import Violation
from strangler.ports.errors import DeclaredError
from strangler.ports.method import REQUIRED, Declaration, Method, Parameter, read
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
        told = Declaration(_function(function), Kind.QUERY, timeout, True, tuple(raises), fallback)  # noqa: FBT003 - a query is idempotent
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
        told = Declaration(_function(function), Kind.COMMAND, timeout, idempotent, tuple(raises))
        return _declared(function, told)

    return declare


class Port:
    """What a capability can do for others: a class of declared methods with no body.

    A subclass with ``capability=`` declares; a subclass of that one answers. Instances that callers
    hold come from ``bind``.
    """

    __strangler_port__: ClassVar[_Declared]

    def __init_subclass__(cls, *, capability: str | None = None) -> None:
        """Check the declaration.

        Raises:
            ContractError: with every violation of this port at once.
        """
        super().__init_subclass__()
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


def _declared(function: F, told: Declaration) -> F:
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
            collected[name] = read(port, where, name, told, found)
    for name in inspect.get_annotations(port):
        if name not in vars(port) and not name.startswith("_"):
            remedy = "a port has methods only; declare a @query() that returns it"
            found.append(Violation(f"{owner}.{name}", "an attribute", remedy))
    return collected
