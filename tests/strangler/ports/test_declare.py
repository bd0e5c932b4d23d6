from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    NewType,
    Optional,
    TypeVar,
    Union,
)
from uuid import UUID

import pydantic
import pytest
from django.db.models import Model, QuerySet

from strangler.ports.declare import (
    REQUIRED,
    ContractError,
    Kind,
    Meta,
    Parameter,
    Port,
    capability,
    command,
    declared,
    methods,
    query,
)
from strangler.ports.errors import DeclaredError

if TYPE_CHECKING:
    from fractions import Fraction

T = TypeVar("T")
Sku = NewType("Sku", str)


class Colour(StrEnum):
    RED = "red"


class Size(IntEnum):
    S = 1


class Mixed(Enum):
    ONE = 1
    TWO = "two"


class Bits(Flag):
    ONE = 1


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    children: list[Node]


@dataclass(frozen=True, slots=True)
class Everything:
    text: str
    number: int
    real: float
    flag: bool
    amount: Decimal
    at: datetime
    on: date
    clock: time
    length: timedelta
    key: UUID
    data: bytes
    colour: Colour
    size: Size
    word: Literal["a", "b"]
    sku: Sku
    many: list[Node]
    fixed: tuple[int, str]
    some: tuple[Decimal, ...]
    table: dict[str, list[int]]
    perhaps: Node | None
    either: int | str | list[int] | None
    old_style: Optional[str]  # noqa: UP045 - contracts may be older than the operator
    older: Union[int, None]  # noqa: UP007 - ditto
    short: Annotated[str, Meta(min_length=1, max_length=3)] = "x"


@dataclass
class Loose:
    x: int


@dataclass(frozen=True)
class Unslotted:
    x: int


@dataclass(frozen=True, slots=True)
class SlottedBelowUnslotted(Unslotted):
    y: int


@dataclass(frozen=True, slots=True)
class Hollow:
    inner: dict[str, Any]
    loose: list[Loose]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: list[T]


@dataclass(frozen=True, slots=True)
class Computed:
    x: int
    y: int = dataclasses.field(init=False, default=0)


@dataclass(frozen=True, slots=True)
class Lost:
    x: Fraction


@dataclass(frozen=True, slots=True)
class One:
    x: int


@dataclass(frozen=True, slots=True)
class Other:
    y: int


class Plain:
    pass


class Pydantic(pydantic.BaseModel):
    x: int


class Broken(DeclaredError, status=404):
    """It is broken."""

    part: str
    at: datetime


class Good(Port, capability="good"):
    """A port with one of everything."""

    @query(timeout=1.5, raises=[Broken])
    def ask(self, key: Node, everything: Everything, *, limit: int | None = None) -> list[Node]:
        """First line.

        More.
        """

    @command(idempotent=True)
    def tell(self, text: Annotated[str, Meta(max_length=3)] = "abc") -> None:
        """Nothing comes back."""

    @command()
    def add(self, amount: Decimal) -> int:
        """Twice is not once."""


class GoodService(Good):
    def tell(self, text: str = "abc") -> None:
        pass


def test_a_port_is_described_by_its_signatures():
    ask, tell, add = methods(Good).values()
    assert (ask.name, ask.kind, ask.timeout, ask.idempotent) == ("ask", Kind.QUERY, 1.5, True)
    assert ask.raises == (Broken,)
    assert ask.parameters == (
        Parameter("key", Node, REQUIRED),
        Parameter("everything", Everything, REQUIRED),
        Parameter("limit", int | None, None, keyword_only=True),
    )
    assert ask.returns == list[Node]
    assert ask.doc == "First line.\n\nMore."
    assert str(ask) == "good.ask"
    assert (tell.kind, tell.timeout, tell.idempotent) == (Kind.COMMAND, 2.0, True)
    assert tell.parameters == (Parameter("text", Annotated[str, Meta(max_length=3)], "abc"),)
    assert tell.returns is type(None)
    assert (add.kind, add.idempotent) == (Kind.COMMAND, False)


def test_an_implementation_answers_for_its_port():
    assert capability(GoodService) == capability(Good) == "good"
    assert methods(GoodService) is methods(Good)
    assert declared(GoodService) is Good
    with pytest.raises(TypeError):
        methods(Good)["more"] = methods(Good)["ask"]  # type: ignore[index]  # what is tested


def test_what_an_implementation_leaves_out_says_so():
    with pytest.raises(NotImplementedError) as raised:
        GoodService().add(Decimal(1))
    assert "GoodService does not answer add()" in str(raised.value)


def refused(**annotations: Any) -> str:
    """What is said of a method with these parameters."""

    parameters = ", ".join(f"{name}: {name}_type" for name in annotations)
    scope: dict[str, Any] = {f"{name}_type": hint for name, hint in annotations.items()}
    exec(f"def method(self, {parameters}) -> None: ...", scope)  # noqa: S102 - the test's own text
    with pytest.raises(ContractError) as raised:
        type(Port)("Bad", (Port,), {"method": query()(scope["method"])}, capability="bad")
    return str(raised.value)


@pytest.mark.parametrize(
    ("hint", "found", "remedy"),
    [
        (Any, "found Any", "name the type"),
        (object, "found object", "name the type"),
        (Model, "found Model", "models and QuerySets stay at home"),
        (QuerySet, "found QuerySet", "models and QuerySets stay at home"),
        (list[Model], "found Model", "models and QuerySets stay at home"),
        (Pydantic, "found Pydantic", "contracts depend on no framework"),
        (Plain, "found Plain", "frozen, slotted dataclass"),
        (Decimal | Plain, "found Plain", "frozen, slotted dataclass"),
        (Loose, "Loose, which is not frozen and slotted", "make it"),
        (Unslotted, "Unslotted, which is not slotted", "make it"),
        (SlottedBelowUnslotted, "which is not slotted", "make it"),
        (list[Loose], "Loose, which is not frozen and slotted", "make it"),
        (Hollow, "→ Hollow.inner: found Any", "name the type"),
        (Hollow, "→ Hollow.loose: found the dataclass Loose", "make it"),
        (Page, "Page, which is generic", "one dataclass for each use"),
        (Page[int], "found", "one dataclass for each use"),
        (Computed, "Computed.y: found init=False", "set by the constructor"),
        (Lost, "name 'Fraction' is not defined", "outside `if TYPE_CHECKING`"),
        (Broken, "found Broken", "declared in raises="),
        (list, "found list", "list[str]"),
        (tuple, "found tuple", "tuple[str, ...]"),
        (dict, "found dict", "dict[str, int]"),
        (set[int], "found set[int]", "use list[T]"),
        (frozenset[int], "found frozenset[int]", "use tuple[T, ...]"),
        (dict[int, str], "found dict[int, str]", "a key is a str"),
        (Sequence[int], "found", "name what JSON makes of it"),
        (Iterator[int], "found", "name what JSON makes of it"),
        (Callable[[int], int], "found", "code does not travel"),
        (complex, "found complex", "frozen, slotted dataclass"),
        (T, "found ~T", "frozen, slotted dataclass"),
        (Mixed, "the enum Mixed", "all str or all int"),
        (Bits, "the enum Bits", "all str or all int"),
        (UUID | str, "found uuid.UUID | str", "can't tell its values apart"),
        (One | Other, "found", "can't tell its values apart"),
        (One | dict[str, int], "found", "can't tell its values apart"),
        (list[int] | tuple[str, ...], "found", "can't tell its values apart"),
        (Annotated[str, Meta(ge=1)], "found", "can't tell its values apart or check it"),
        (Annotated[int, Meta(min_length=1)], "found", "can't tell its values apart or check it"),
    ],
)
def test_what_can_t_cross_is_refused_with_a_remedy(hint: Any, found: str, remedy: str):
    message = refused(good=str, bad=hint)
    assert "bad.method(bad)" in message
    assert found in message
    assert remedy in message
    assert "method(good)" not in message


def test_everything_wrong_with_a_port_is_said_at_once():
    class Undeclared(Exception):
        pass

    class Vague(DeclaredError):
        what: object
        status: int

    with pytest.raises(ContractError) as raised:

        class Bad(Port, capability="Bad-Name"):
            attribute: int
            CONSTANT = 3

            @query(timeout=0, raises=[Undeclared, Vague, Vague, DeclaredError])  # type: ignore[list-item]  # a mistake to be found, as all below
            def first(self, bare, missing: Nowhere, nonsense: "(", *args: int, **more: int):  # type: ignore[no-untyped-def]  # noqa: ANN001,ANN202,F722,F821 - ditto
                pass

            @command()
            def second(
                self,
                only: int,
                /,
                mutable: list[int] = [],  # noqa: B006 - ditto
                mistyped: int = "x",  # type: ignore[assignment]  # ditto
                infinite: float = float("nan"),
            ) -> None:
                pass

            @query()
            def _private(self) -> int:
                return 1

            @query()
            def selfless() -> int:  # type: ignore[misc]  # ditto
                return 1

            def forgotten(self) -> int:
                return 1

    message = str(raised.value)
    assert len(raised.value.violations) == message.count("\n") == 22
    for said in (
        "Bad: found capability 'Bad-Name'; use lower case letters, digits and _",
        ".attribute: found an attribute; a port has methods only",
        ".CONSTANT: found an undeclared int; decorate it with @query() or @command()",
        ".first: found timeout=0; give seconds, more than 0",
        ".first raises Undeclared: ",
        ".first raises Vague.what: found object; name the type",
        ".first raises Vague.status: found the field 'status'; every exception has that",
        ".first raises Vague: found that name twice",
        ".first raises DeclaredError: found the bare DeclaredError",
        ".first(bare): found no annotation; name the type",
        ".first(missing): found `Nowhere`, where name 'Nowhere' is not defined; import",
        ".first(nonsense): found `'('`, which is no type",
        ".first(args): found *args: 'int'; name each parameter",
        ".first(more): found **more: 'int'; name each parameter",
        ".first -> return: found no annotation; name the type",
        ".second(only): found a positional-only parameter; arguments travel by name",
        ".second(mutable): found the mutable default []",
        ".second(mistyped): found the default 'x'; a default must be a value of",
        ".second(infinite): found the default nan; a default must be a value of",
        "._private: found the name '_private'; a method's name is public and ASCII",
        ".forgotten: found an undeclared function; decorate it",
    ):
        assert said in message, said


def test_a_method_has_self():
    with pytest.raises(ContractError) as raised:

        class Bad(Port, capability="bad"):
            @query()
            def selfless(this) -> int:  # type: ignore[empty-body]  # noqa: N805 - the mistake to be found
                pass

    assert "the first parameter of a method is self" in str(raised.value)


def test_a_port_stands_alone_and_has_a_capability():
    with pytest.raises(ContractError, match="derive it from Port only"):
        type(Port)("More", (Good,), {}, capability="more")
    with pytest.raises(ContractError, match="no capability"):
        type(Port)("Nameless", (Port,), {})


@pytest.mark.parametrize("wrong", [staticmethod(lambda: None), property(lambda self: None), Plain])
def test_only_plain_functions_are_methods(wrong: Any):
    with pytest.raises(TypeError, match="a port's method is a plain function"):
        query()(wrong)


def test_a_method_is_not_a_coroutine():
    async def waits(self: Port) -> int:
        return 1

    with pytest.raises(TypeError, match="Whether a call waits is the transport's business"):
        command()(waits)


def test_a_contract_loads_neither_frameworks_nor_transports():
    done = subprocess.run(
        [sys.executable, "-c", "import contracts.pricing, sys; print(*sorted(sys.modules))"],
        capture_output=True,
        check=True,
        text=True,
    )
    loaded = done.stdout.split()
    assert "strangler.ports.declare" in loaded
    heavy = {"django", "fastapi", "pydantic", "httpx", "joserfc", "stamina", "http", "socket"}
    assert heavy.isdisjoint(loaded)
