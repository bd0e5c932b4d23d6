"""Usages of the public types that a type checker must accept. Read by mypy, never run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import assert_type

from strangler.ladder import Arm
from strangler.ports import runtime
from strangler.ports.bind import bind
from strangler.ports.calling.awaiting import call
from strangler.ports.context import Context, User, current, job, use
from strangler.ports.declare import (
    REQUIRED,
    ContractError,
    Kind,
    Method,
    Port,
    capability,
    command,
    declared,
    methods,
    query,
)
from strangler.ports.errors import DeclaredError, NotExecuted, OutcomeUnknown
from strangler.ports.face import Face
from strangler.ports.freezing.compat import Change
from strangler.ports.freezing.freeze import (
    Document,
    check,
    committed,
    digest,
    documents,
    freeze_all,
    frozen,
)
from strangler.ports.serve import Answer, dispatch, serve
from strangler.ports.testing import placed, serving


@dataclass(frozen=True, slots=True)
class Thing:
    name: str


class Missing(DeclaredError, status=404):
    """There is none."""

    name: str
    tries: int = 1


def empty(names: list[str]) -> list[Thing]:
    return [Thing(name) for name in names]


class Things(Port, capability="things"):
    """Things."""

    @query(timeout=1.0, raises=[Missing])
    def thing(self, name: str, size: int | None = None) -> Thing:
        raise NotImplementedError

    @query(raises=(Missing,), fallback=empty)
    def things(self, names: list[str]) -> list[Thing]:
        raise NotImplementedError

    @command(idempotent=True, timeout=2)
    def put(self, thing: Thing, *, twice: bool = False) -> None:
        raise NotImplementedError


class ThingsService(Things):
    def thing(self, name: str, size: int | None = None) -> Thing:
        if not name:
            raise Missing(name)
        raise Missing(name=name, tries=2)

    def things(self, names: list[str]) -> list[Thing]:
        return empty(names)

    def put(self, thing: Thing, *, twice: bool = False) -> None:
        return None


serve(Things, ThingsService())
things = bind(Things)
assert_type(things, Things)
assert_type(things.thing("a"), Thing)
assert_type(things.thing("a", size=3), Thing)
assert_type(things.things(["a"]), list[Thing])
things.put(Thing("a"), twice=True)

try:
    things.thing("a")
except Missing as missing:
    assert_type(missing.name, str)
    assert_type(missing.tries, int)
except (NotExecuted, OutcomeUnknown):
    pass

assert_type(methods(Things), Mapping[str, Method])
assert_type(methods(ThingsService)["thing"].kind, Kind)
assert_type(capability(Things), str)
assert_type(declared(ThingsService), type[Port])
assert_type(current(), Context)
assert_type(digest(Things), str)
assert_type(documents([Things, ThingsService]), dict[str, Document])
assert_type(freeze_all({"things.json": frozen(Things)}, Path(), reason="new"), list[Change])
assert_type(check(documents([Things]), Path(), committed(Path(), "main")), list[str])
required: bool = methods(Things)["thing"].parameters[0].default is REQUIRED
problems: tuple[str, ...] = tuple(str(one) for one in ContractError("a", []).violations)

answer: Answer = dispatch("things", "thing", b"{}", {}, callers=["shop"], ladder=True)
status, headers, body = Face(methods(Things)["thing"]).answer(things.thing, b"{}", None)


async def awaited() -> None:
    assert_type(await call(things.thing, "a", size=3), Thing)
    assert_type(await call(things.put, Thing("a"), twice=True), None)


with use(Context(user=lambda: User("7", ("staff",)), cohort=3)) as context:
    assert_type(context.user, User | None)
    assert_type(context.replace(hops=1), Context)
with job() as run, placed("auto", things="local"), serving(Things, ThingsService()):
    assert_type(run.cohort, int | None)
runtime.configure(urls=lambda capability, arm: ("http://things",), arm=Arm.SERVICE)
