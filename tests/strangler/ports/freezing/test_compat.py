"""Every kind of change of a port: what is said, in which direction, who goes first."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from strangler.ports.freezing.compat import Change, Order, compare
from strangler.ports.freezing.freeze import frozen

IN = "in the request"
OUT = "in the response"
ANY = "in any order"
PROVIDER = "provider first, then callers"
CALLERS = "callers first, then provider"
STEPS = "not in one step: add a new method, move callers, remove the old"

PRELUDE = """
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Annotated, Literal
from uuid import UUID
from strangler.ports.declare import Meta, Port, command, query
from strangler.ports.errors import DeclaredError
"""


def frozen_port(text: str) -> dict[str, Any]:
    """A port with one more method than the text has; DTOs and errors stand before ``---``."""
    types, _, body = text.rpartition("---")
    dto = "@dataclass(frozen=True, slots=True)\nclass "
    types = types.replace("dto ", dto)
    if "@" not in body:
        body = f"@query()\n{body.strip()}"
    if not body.rstrip().endswith("..."):
        body = f"{body.rstrip()}: ..."
    lines = "\n".join(f"    {line.strip()}" for line in body.strip().splitlines())
    source = (
        f"{PRELUDE}\n{types}\nclass P(Port, capability='p'):\n"
        f"    @query()\n    def kept(self) -> int: ...\n{lines}\n"
    )
    module = ModuleType("snippet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "snippet", module)
        exec(source, module.__dict__)  # noqa: S102 - the test's own text
        return frozen(module.P)


def request(annotation: str) -> str:
    return f"def m(self, a: {annotation}) -> None"


def response(annotation: str) -> str:
    return f"def m(self) -> {annotation}"


def sent(fields: str) -> str:
    return f"dto D:\n    x: int\n{fields}\n---def m(self, d: list[D]) -> None"


def answered(fields: str) -> str:
    return f"dto D:\n    x: int\n{fields}\n---def m(self) -> list[D]"


ENUM = "class E(StrEnum):\n    A = 'a'\n{more}---def m(self, e: E) -> list[E]"
ERROR = (
    "class Bad(DeclaredError, status=404):\n    x: int\n{more}---"
    "@query(raises=[Bad])\ndef m(self) -> None"
)

CASES: dict[str, tuple[str, str, list[str]]] = {
    # Methods
    "nothing": (request("int"), request("int"), []),
    "a docstring, a timeout, the order": (
        "@query(timeout=1)\ndef m(self, a: int, b: int) -> None",
        "@query(timeout=9)\ndef m(self, b: int, a: int) -> None",
        [],
    ),
    "a method is added": (
        "def m(self) -> int",
        "@query()\ndef m(self) -> int: ...\n@query()\ndef more(self) -> int",
        [f"p.more: added ({IN}; {PROVIDER})"],
    ),
    "a method is removed": (
        "@query()\ndef m(self) -> int: ...\n@query()\ndef more(self) -> int",
        "def m(self) -> int",
        [f"p.more: removed ({IN}; {CALLERS})"],
    ),
    "a query becomes a command": (
        "@query()\ndef m(self) -> int",
        "@command()\ndef m(self) -> int",
        [f"p.m: the query became a command ({IN}; {STEPS})"],
    ),
    "a command becomes a query": (
        "@command()\ndef m(self) -> int",
        "@query()\ndef m(self) -> int",
        [f"p.m: the command became a query ({IN}; {STEPS})"],
    ),
    "a command is not idempotent any more": (
        "@command(idempotent=True)\ndef m(self) -> int",
        "@command()\ndef m(self) -> int",
        [f"p.m: not idempotent any more: callers may send it twice ({IN}; {CALLERS})"],
    ),
    "a command is idempotent now": (
        "@command()\ndef m(self) -> int",
        "@command(idempotent=True)\ndef m(self) -> int",
        [f"p.m: idempotent now ({IN}; {PROVIDER})"],
    ),
    # Parameters
    "an optional parameter is added": (
        "def m(self) -> None",
        "def m(self, a: int = 1) -> None",
        [f"p.m(a): added, optional ({IN}; {PROVIDER})"],
    ),
    "a required parameter is added": (
        "def m(self) -> None",
        "def m(self, a: int) -> None",
        [f"p.m(a): added, required ({IN}; {STEPS})"],
    ),
    "an optional parameter is removed": (
        "def m(self, a: int = 1) -> None",
        "def m(self) -> None",
        [f"p.m(a): removed (it was optional) ({IN}; {CALLERS})"],
    ),
    "a required parameter is removed": (
        "def m(self, a: int) -> None",
        "def m(self) -> None",
        [f"p.m(a): removed ({IN}; {STEPS})"],
    ),
    "a parameter is renamed": (
        "def m(self, a: int) -> None",
        "def m(self, b: int) -> None",
        [f"p.m(a): removed ({IN}; {STEPS})", f"p.m(b): added, required ({IN}; {STEPS})"],
    ),
    "a parameter is by name only": (
        "def m(self, a: int, b: int) -> None",
        "def m(self, a: int, *, b: int) -> None",
        [],
    ),
    "a default is added": (
        "def m(self, a: int) -> None",
        "def m(self, a: int = 1) -> None",
        [f"p.m(a): may be left out now ({IN}; {PROVIDER})"],
    ),
    "a default is removed": (
        "def m(self, a: int = 1) -> None",
        "def m(self, a: int) -> None",
        [f"p.m(a): is required now ({IN}; {CALLERS})"],
    ),
    "a default is another": (
        "def m(self, a: int = 1) -> None",
        "def m(self, a: int = 2) -> None",
        [f"p.m(a): the default 1 became 2 ({IN}; {STEPS})"],
    ),
    # Types
    "None is sent": (
        request("int"),
        request("int | None"),
        [f"p.m(a): null is possible now ({IN}; {PROVIDER})"],
    ),
    "None is not sent any more": (
        request("int | None"),
        request("int"),
        [f"p.m(a): null is not possible any more ({IN}; {CALLERS})"],
    ),
    "None is answered": (
        response("int"),
        response("int | None"),
        [f"p.m → answer: null is possible now ({OUT}; {CALLERS})"],
    ),
    "None is not answered any more": (
        response("int | None"),
        response("int"),
        [f"p.m → answer: null is not possible any more ({OUT}; {PROVIDER})"],
    ),
    "a sent int becomes a float": (
        request("int"),
        request("float"),
        [f"p.m(a): integer became number ({IN}; {PROVIDER})"],
    ),
    "a sent float becomes an int": (
        request("float"),
        request("int"),
        [f"p.m(a): number became integer ({IN}; {CALLERS})"],
    ),
    "an answered int becomes a float": (
        response("int"),
        response("float"),
        [f"p.m → answer: integer became number ({OUT}; {CALLERS})"],
    ),
    "an answered float becomes an int": (
        response("float"),
        response("int"),
        [f"p.m → answer: number became integer ({OUT}; {PROVIDER})"],
    ),
    "a sent union has one member more": (
        request("int | str"),
        request("int | str | list[int]"),
        [f"p.m(a): array is possible now ({IN}; {PROVIDER})"],
    ),
    "a sent union swaps a member": (
        request("int | str"),
        request("int | list[str]"),
        [f"p.m(a): string became array ({IN}; {STEPS})"],
    ),
    "a sent type is another": (
        request("int"),
        request("str"),
        [f"p.m(a): integer became string ({IN}; {STEPS})"],
    ),
    "an answered type is another": (
        response("int"),
        response("str"),
        [f"p.m → answer: integer became string ({OUT}; {STEPS})"],
    ),
    "nothing becomes something": (
        response("None"),
        response("int"),
        [f"p.m → answer: null became integer ({OUT}; {STEPS})"],
    ),
    "any text becomes a UUID": (
        request("str"),
        request("UUID"),
        [f"p.m(a): format 'uuid' is demanded now ({IN}; {CALLERS})"],
    ),
    "a UUID becomes any text": (
        request("UUID"),
        request("str"),
        [f"p.m(a): format 'uuid' is not demanded any more ({IN}; {PROVIDER})"],
    ),
    "an answered date becomes a datetime": (
        response("date"),
        response("datetime"),
        [f"p.m → answer: format 'date' became 'date-time' ({OUT}; {STEPS})"],
    ),
    "answered text becomes bytes": (
        response("str"),
        response("bytes"),
        [f"p.m → answer: contentEncoding 'base64' is demanded now ({OUT}; {PROVIDER})"],
    ),
    "a list is of something else": (
        request("list[int]"),
        request("list[str]"),
        [f"p.m(a)[]: integer became string ({IN}; {STEPS})"],
    ),
    "a dict is of something else": (
        response("dict[str, int]"),
        response("dict[str, int | None]"),
        [f"p.m → answer{{}}: null is possible now ({OUT}; {CALLERS})"],
    ),
    "a tuple has one place more": (
        request("tuple[int, str]"),
        request("tuple[int, str, str]"),
        [
            f"p.m(a): minItems 2 became minItems 3 ({IN}; {CALLERS})",
            f"p.m(a): maxItems 2 became maxItems 3 ({IN}; {PROVIDER})",
            f"p.m(a): 2 fixed places became 3 ({IN}; {STEPS})",
        ],
    ),
    "a tuple has something else in a place": (
        request("tuple[int, str]"),
        request("tuple[int, str | None]"),
        [f"p.m(a)[1]: null is possible now ({IN}; {PROVIDER})"],
    ),
    # Constraints
    "a sent minimum is lower": (
        request("Annotated[int, Meta(ge=2)]"),
        request("Annotated[int, Meta(ge=1)]"),
        [f"p.m(a): minimum 2 became minimum 1 ({IN}; {PROVIDER})"],
    ),
    "a sent minimum is higher": (
        request("Annotated[int, Meta(ge=1)]"),
        request("Annotated[int, Meta(ge=2)]"),
        [f"p.m(a): minimum 1 became minimum 2 ({IN}; {CALLERS})"],
    ),
    "above 0 is at least 1": (
        request("Annotated[int, Meta(gt=0)]"),
        request("Annotated[int, Meta(ge=1)]"),
        [],
    ),
    "above 0 is more than at least 0": (
        request("Annotated[float, Meta(ge=0)]"),
        request("Annotated[float, Meta(gt=0)]"),
        [f"p.m(a): minimum 0 became exclusiveMinimum 0 ({IN}; {CALLERS})"],
    ),
    "a sent maximum is demanded": (
        request("int"),
        request("Annotated[int, Meta(le=9)]"),
        [f"p.m(a): no maximum became maximum 9 ({IN}; {CALLERS})"],
    ),
    "a sent maximum is lifted": (
        request("Annotated[int, Meta(le=9)]"),
        request("int"),
        [f"p.m(a): maximum 9 became no maximum ({IN}; {PROVIDER})"],
    ),
    "an answered maximum is lifted": (
        response("Annotated[int, Meta(le=9)]"),
        response("int"),
        [f"p.m → answer: maximum 9 became no maximum ({OUT}; {CALLERS})"],
    ),
    "an answered maximum is lower": (
        response("Annotated[int, Meta(lt=9)]"),
        response("Annotated[int, Meta(lt=8)]"),
        [f"p.m → answer: maximum 8 became maximum 7 ({OUT}; {PROVIDER})"],
    ),
    "a sent text is shorter": (
        request("Annotated[str, Meta(max_length=9)]"),
        request("Annotated[str, Meta(max_length=8)]"),
        [f"p.m(a): maxLength 9 became maxLength 8 ({IN}; {CALLERS})"],
    ),
    "a sent list may be empty": (
        request("Annotated[list[int], Meta(min_length=1)]"),
        request("list[int]"),
        [f"p.m(a): minItems 1 became no minItems ({IN}; {PROVIDER})"],
    ),
    "a sent dict is bounded": (
        request("dict[str, int]"),
        request("Annotated[dict[str, int], Meta(max_length=9)]"),
        [f"p.m(a): no maxProperties became maxProperties 9 ({IN}; {CALLERS})"],
    ),
    "a pattern is demanded": (
        request("str"),
        request("Annotated[str, Meta(pattern='^a')]"),
        [f"p.m(a): pattern '^a' is demanded now ({IN}; {CALLERS})"],
    ),
    "a pattern is lifted": (
        request("Annotated[str, Meta(pattern='^a')]"),
        request("str"),
        [f"p.m(a): pattern '^a' is not demanded any more ({IN}; {PROVIDER})"],
    ),
    "a pattern is another": (
        request("Annotated[str, Meta(pattern='^a')]"),
        request("Annotated[str, Meta(pattern='^b')]"),
        [f"p.m(a): pattern '^a' became '^b' ({IN}; {STEPS})"],
    ),
    "a step is demanded": (
        response("int"),
        response("Annotated[int, Meta(multiple_of=5)]"),
        [f"p.m → answer: multipleOf 5 is demanded now ({OUT}; {PROVIDER})"],
    ),
    "a constraint of what may be None": (
        request("Annotated[int, Meta(ge=1)] | None"),
        request("Annotated[int, Meta(ge=0)] | None"),
        [f"p.m(a): minimum 1 became minimum 0 ({IN}; {PROVIDER})"],
    ),
    # Enums
    "an enum has one member more": (
        ENUM.format(more=""),
        ENUM.format(more="    B = 'b'\n"),
        [
            f"p.m(e): 'b' is possible now ({IN}; {PROVIDER})",
            f"p.m → answer[]: 'b' is possible now ({OUT}; {CALLERS})",
        ],
    ),
    "an enum has one member less": (
        ENUM.format(more="    B = 'b'\n"),
        ENUM.format(more=""),
        [
            f"p.m(e): 'b' is not possible any more ({IN}; {CALLERS})",
            f"p.m → answer[]: 'b' is not possible any more ({OUT}; {PROVIDER})",
        ],
    ),
    "an enum's member is renamed": (
        request("Literal['a', 'b']"),
        request("Literal['a', 'c']"),
        [f"p.m(a): 'b' became 'c' ({IN}; {STEPS})"],
    ),
    "an enum's name in Python is another": (
        ENUM.format(more=""),
        ENUM.format(more="").replace("E(", "F(").replace(": E", ": F").replace("[E", "[F"),
        [],
    ),
    "any text becomes an enum": (
        request("str"),
        request("Literal['a', 'b']"),
        [f"p.m(a): only 'a', 'b' is possible now ({IN}; {CALLERS})"],
    ),
    "an enum becomes any text": (
        response("Literal['a', 'b']"),
        response("str"),
        [f"p.m → answer: more than 'a', 'b' is possible now ({OUT}; {CALLERS})"],
    ),
    "an enum of numbers": (
        request("Literal[1, 2]"),
        request("Literal[1, 2, None]"),
        [f"p.m(a): null is possible now ({IN}; {PROVIDER})"],
    ),
    # Fields, here within a list
    "an optional field is sent": (
        sent(""),
        sent("    y: int = 1"),
        [f"p.m(d)[].y: added, optional ({IN}; {PROVIDER})"],
    ),
    "a required field is sent": (
        sent(""),
        sent("    y: int"),
        [f"p.m(d)[].y: added, required ({IN}; {STEPS})"],
    ),
    "an optional field is not sent any more": (
        sent("    y: int = 1"),
        sent(""),
        [f"p.m(d)[].y: removed (it was optional) ({IN}; {CALLERS})"],
    ),
    "a sent field becomes optional": (
        sent("    y: int"),
        sent("    y: int = 1"),
        [f"p.m(d)[].y: may be left out now ({IN}; {PROVIDER})"],
    ),
    "a sent field becomes required": (
        sent("    y: int = 1"),
        sent("    y: int"),
        [f"p.m(d)[].y: is required now ({IN}; {CALLERS})"],
    ),
    "a required field is answered": (
        answered(""),
        answered("    y: int"),
        [f"p.m → answer[].y: added, required ({OUT}; {PROVIDER})"],
    ),
    "an optional field is answered": (
        answered(""),
        answered("    y: int = 1"),
        [f"p.m → answer[].y: added, optional ({OUT}; {ANY})"],
    ),
    "a field is not answered any more": (
        answered("    y: int"),
        answered(""),
        [f"p.m → answer[].y: removed ({OUT}; {CALLERS})"],
    ),
    "an optional field is not answered any more": (
        answered("    y: int = 1"),
        answered(""),
        [f"p.m → answer[].y: removed ({OUT}; {CALLERS})"],
    ),
    "an answered field may be left out": (
        answered("    y: int"),
        answered("    y: int = 1"),
        [f"p.m → answer[].y: may be left out now ({OUT}; {CALLERS})"],
    ),
    "an answered field is always there": (
        answered("    y: int = 1"),
        answered("    y: int"),
        [f"p.m → answer[].y: is required now ({OUT}; {PROVIDER})"],
    ),
    "an answered field has another default": (
        answered("    y: int = 1"),
        answered("    y: int = 2"),
        [f"p.m → answer[].y: the default 1 became 2 ({OUT}; {ANY})"],
    ),
    "an answered field is of another type": (
        answered("    y: int"),
        answered("    y: str"),
        [f"p.m → answer[].y: integer became string ({OUT}; {STEPS})"],
    ),
    "a DTO becomes a number": (
        answered(""),
        response("list[int]"),
        [f"p.m → answer[]: object became integer ({OUT}; {STEPS})"],
    ),
    "a DTO becomes a dict": (
        "dto D:\n    x: int\n---def m(self) -> D",
        response("dict[str, int]"),
        [
            f"p.m → answer.x: removed ({OUT}; {CALLERS})",
            f"p.m → answer{{}}: only integer may be in it ({OUT}; {PROVIDER})",
        ],
    ),
    "a DTO's name in Python is another": (
        answered("    y: int"),
        answered("    y: int").replace("D", "Other"),
        [],
    ),
    "a DTO deep within": (
        "dto A:\n    x: int\ndto B:\n    a: A | None\n---def m(self, b: dict[str, B]) -> None",
        "dto A:\n    x: str\ndto B:\n    a: A | None\n---def m(self, b: dict[str, B]) -> None",
        [f"p.m(b){{}}.a.x: integer became string ({IN}; {STEPS})"],
    ),
    "a type that contains itself": (
        "dto T:\n    x: int\n    t: 'list[T]'\n---def m(self, t: T) -> T",
        "dto T:\n    x: int | None\n    t: 'list[T]'\n---def m(self, t: T) -> T",
        [
            f"p.m(t).x: null is possible now ({IN}; {PROVIDER})",
            f"p.m → answer.x: null is possible now ({OUT}; {CALLERS})",
        ],
    ),
    # Errors
    "an error is added": (
        "def m(self) -> None",
        ERROR.format(more=""),
        [f"p.m raises Bad: added: callers who do not know it can't read it ({OUT}; {CALLERS})"],
    ),
    "an error is removed": (
        ERROR.format(more=""),
        "def m(self) -> None",
        [f"p.m raises Bad: removed ({OUT}; {PROVIDER})"],
    ),
    "an error has a field more": (
        ERROR.format(more=""),
        ERROR.format(more="    y: int\n"),
        [f"p.m raises Bad.y: added, required ({OUT}; {PROVIDER})"],
    ),
    "an error has a field less": (
        ERROR.format(more="    y: int\n"),
        ERROR.format(more=""),
        [f"p.m raises Bad.y: removed ({OUT}; {CALLERS})"],
    ),
    "an error's field is of another type": (
        ERROR.format(more="    y: int\n"),
        ERROR.format(more="    y: int | None\n"),
        [f"p.m raises Bad.y: null is possible now ({OUT}; {CALLERS})"],
    ),
    "an error has another status": (
        ERROR.format(more=""),
        ERROR.format(more="").replace("404", "409"),
        [f"p.m raises Bad: HTTP status 404 became 409 ({OUT}; {STEPS})"],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), CASES.values(), ids=CASES)
def test_a_change_is_judged(old: str, new: str, expected: list[str]):
    changes = compare(frozen_port(old), frozen_port(new))
    assert [str(change) for change in changes] == expected
    for change in changes:
        assert change.compatible is (change.order in {Order.ANY, Order.PROVIDER_FIRST})


@pytest.mark.parametrize(("old", "new", "expected"), CASES.values(), ids=CASES)
def test_the_way_back_is_the_mirror(old: str, new: str, expected: list[str]):
    """What widens there narrows back: nothing is compatible by an oversight."""
    there = compare(frozen_port(old), frozen_port(new))
    back = compare(frozen_port(new), frozen_port(old))
    assert bool(there) == bool(back)
    one_sided = ("added", "removed", "default")  # each with a rule of its own
    if len(there) == len(back) == 1 and not any(word in there[0].what for word in one_sided):
        mirror = {PROVIDER: CALLERS, CALLERS: PROVIDER}
        assert back[0].order == mirror.get(there[0].order, there[0].order)


def test_a_whole_contract_is_new_or_gone():
    document = frozen_port("def m(self) -> int")
    assert compare(document, document) == []
    assert [str(change) for change in compare({}, document)] == [
        f"p.kept: added ({IN}; {PROVIDER})",
        f"p.m: added ({IN}; {PROVIDER})",
    ]
    assert [str(change) for change in compare(document, {})] == [
        f"p.kept: removed ({IN}; {CALLERS})",
        f"p.m: removed ({IN}; {CALLERS})",
    ]


def face(**operation: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "paths": {"/api/x": {"post": operation}}}


def body(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}, **more}


NUMBER = {"type": "integer"}
TEXT = {"type": "string"}
PAGE = {"in": "query", "name": "page", "schema": NUMBER}

FACES: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "an operation is added": (
        {"paths": {}},
        face(),
        [f"POST /api/x: added ({IN}; {PROVIDER})"],
    ),
    "an operation is removed": (
        face(),
        {"paths": {}},
        [f"POST /api/x: removed ({IN}; {CALLERS})"],
    ),
    "an optional query parameter is added": (
        face(),
        face(parameters=[PAGE]),
        [f"POST /api/x query page: added, optional ({IN}; {PROVIDER})"],
    ),
    "a query parameter is demanded": (
        face(parameters=[PAGE]),
        face(parameters=[{**PAGE, "required": True}]),
        [f"POST /api/x query page: is required now ({IN}; {CALLERS})"],
    ),
    "a query parameter is of another type": (
        face(parameters=[PAGE]),
        face(parameters=[{**PAGE, "schema": TEXT}]),
        [f"POST /api/x query page: integer became string ({IN}; {STEPS})"],
    ),
    "a header is demanded": (
        face(),
        face(parameters=[{"in": "header", "name": "X", "schema": TEXT, "required": True}]),
        [f"POST /api/x header X: added, required ({IN}; {STEPS})"],
    ),
    "a body is demanded": (
        face(requestBody=body(NUMBER)),
        face(requestBody=body(NUMBER, required=True)),
        [f"POST /api/x body: is required now ({IN}; {CALLERS})"],
    ),
    "a body is taken": (
        face(),
        face(requestBody=body(NUMBER)),
        [f"POST /api/x body: added, optional ({IN}; {PROVIDER})"],
    ),
    "a body is of another type": (
        face(requestBody=body({"type": "object", "properties": {"a": NUMBER}})),
        face(requestBody=body({"type": "object", "properties": {"a": TEXT}})),
        [f"POST /api/x body.a: integer became string ({IN}; {STEPS})"],
    ),
    "unknown fields are refused": (
        face(requestBody=body({"type": "object", "properties": {"a": NUMBER}})),
        face(
            requestBody=body(
                {"type": "object", "properties": {"a": NUMBER}, "additionalProperties": False}
            )
        ),
        [f"POST /api/x body{{}}: nothing more may be in it ({IN}; {CALLERS})"],
    ),
    "a status is added": (
        face(responses={"200": body(NUMBER)}),
        face(responses={"200": body(NUMBER), "409": body(TEXT)}),
        [f"POST /api/x → 409: added: callers do not know it ({OUT}; {CALLERS})"],
    ),
    "a status is removed": (
        face(responses={"200": body(NUMBER), "409": body(TEXT)}),
        face(responses={"200": body(NUMBER)}),
        [f"POST /api/x → 409: removed ({OUT}; {PROVIDER})"],
    ),
    "an answer is of another type": (
        face(responses={"200": body(NUMBER)}),
        face(responses={"200": body(TEXT)}),
        [f"POST /api/x → 200: integer became string ({OUT}; {STEPS})"],
    ),
    "an answer has a body": (
        face(responses={"200": {}}),
        face(responses={"200": body(TEXT)}),
        [f"POST /api/x → 200: has a body now ({OUT}; {PROVIDER})"],
    ),
    "an answer has no body any more": (
        face(responses={"200": body(TEXT)}),
        face(responses={"200": {}}),
        [f"POST /api/x → 200: has no body any more ({OUT}; {CALLERS})"],
    ),
    "anything becomes something": (
        face(responses={"200": body({})}),
        face(responses={"200": body(TEXT)}),
        [f"POST /api/x → 200: anything became string ({OUT}; {PROVIDER})"],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), FACES.values(), ids=FACES)
def test_a_change_of_a_face_is_judged(
    old: dict[str, Any], new: dict[str, Any], expected: list[str]
):
    assert [str(change) for change in compare(old, new)] == expected


def error(name: str, field: dict[str, Any]) -> dict[str, Any]:
    properties = {"error": {"type": "string", "enum": [name]}, "detail": field}
    return {"type": "object", "properties": properties, "required": ["detail", "error"]}


def test_errors_of_one_status_are_told_apart_by_their_names():
    old = face(responses={"400": body({"anyOf": [error("A", NUMBER), error("B", NUMBER)]})})
    new = face(responses={"400": body({"anyOf": [error("C", NUMBER), error("B", TEXT)]})})
    assert [str(change) for change in compare(old, new)] == [
        f"POST /api/x → 400: object 'A' became object 'C' ({OUT}; {STEPS})",
        f"POST /api/x → 400.detail: integer became string ({OUT}; {STEPS})",
    ]


def test_a_change_says_all_there_is_to_know():
    (change,) = compare(frozen_port(response("int")), frozen_port(response("str")))
    assert change == Change(
        where="p.m → answer",
        what="integer became string",
        direction=change.direction,
        compatible=False,
        order=Order.STEPS,
    )
