"""Usages of the public types that a type checker must refuse: each line says with which code.

Read by mypy, never run. ``test_typing.py`` wants exactly these errors, and no other.
"""

from __future__ import annotations

from dataclasses import dataclass

from strangler.ports.bind import bind
from strangler.ports.calling.awaiting import call
from strangler.ports.context import Context, use
from strangler.ports.declare import Port, capability, command, methods, query
from strangler.ports.errors import DeclaredError
from strangler.ports.serve import dispatch, serve
from strangler.ports.testing import placed, serving


@dataclass(frozen=True, slots=True)
class Thing:
    name: str


class Missing(DeclaredError, status="404"):  # E: arg-type
    """There is none."""

    name: str


class Things(Port, capability="things"):
    """Things."""

    @query(timeout=1.0, raises=[Missing])
    def thing(self, name: str) -> Thing:
        raise NotImplementedError

    @query(idempotent=True)  # E: call-arg
    def asked(self) -> Thing:
        raise NotImplementedError

    @query(timeout="1s")  # E: arg-type
    def slow(self) -> Thing:
        raise NotImplementedError

    @query(raises=[ValueError])  # E: list-item
    def wrong(self) -> Thing:
        raise NotImplementedError

    @query(raises=Missing)  # E: arg-type
    def single(self) -> Thing:
        raise NotImplementedError

    @query(1.0)  # E: call-arg
    def positional(self) -> Thing:
        raise NotImplementedError

    @query  # E: call-arg,arg-type
    def bare(self) -> Thing:  # E: misc
        raise NotImplementedError

    @command(fallback=print)  # E: call-arg
    def put(self, thing: Thing) -> None:
        raise NotImplementedError


class Nameless(Port, capability=7):  # E: arg-type
    """Not a name."""


class Misspelt(Port, capabilty="things"):  # E: call-arg
    """Not a keyword."""


class ThingsService(Things):
    def thing(self, name: int) -> Thing:  # E: override
        raise Missing(title="a")  # E: call-arg

    def put(self, thing: Thing, twice: int) -> None:  # E: override
        raise Missing(7)  # E: arg-type


serve(Things, 7)  # E: arg-type
serve(ThingsService(), ThingsService())  # E: arg-type
bind(ThingsService())  # E: arg-type
bind(Thing)  # E: type-var

things = bind(Things)
things.thing(7)  # E: arg-type
things.thing()  # E: call-arg
things.thing("a", size=1)  # E: call-arg
things.nothing()  # E: attr-defined
number: int = things.thing("a")  # E: assignment

capability("things")  # E: arg-type
methods(Things)["thing"].name = "other"  # E: misc
methods(Things)["other"] = methods(Things)["thing"]  # E: index
dispatch("things", "thing", b"", {})  # E: call-arg
dispatch("things", "thing", "", {}, callers=())  # E: arg-type


async def awaited() -> None:
    await call(things.thing, 7)  # E: arg-type
    await call(things.thing)  # E: call-arg
    await call("thing", "a")  # E: arg-type


Context(user="7")  # E: arg-type
Context(chort=7)  # E: call-arg
use(7)  # E: arg-type
placed("moon")  # E: arg-type
placed(things="moon")  # E: arg-type
serving(Things, Thing("a"))  # E: arg-type
