"""Commands of a port that are rehearsed: executed twice, for nobody."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from strangler.ports import headers as names
from strangler.ports import rehearsal, runtime, serve
from strangler.ports.bind import bind
from strangler.ports.context import Context, current
from strangler.ports.rehearsal import Rehearsal, Rehearsed, Run, Shape, under_way
from tests.strangler.ports.sample import Missing, Shelf, Shop, Thing
from tests.strangler.ports.test_serve import SPADE, Caller, refused

pytestmark = pytest.mark.usefixtures("wired")
MARKED = Context(shadow=True, rehearsal=True)


class Noted(Rehearsal):
    """Remembers what becomes of it."""

    made: list[Noted] = []  # noqa: RUF012 - of one test

    def __init__(self) -> None:
        self.did: list[str] = []
        self.made.append(self)

    def begin(self) -> None:
        self.did.append("begin")

    def end(self, status: int, said: str = "") -> Run:
        self.did.append(f"end {status} {said}".rstrip())
        return Run(status, said, self.impossible)

    def shapes(self) -> dict[str, Shape]:
        return {"thing": Shape(["name"])}

    def close(self) -> None:
        self.did.append("close")


class Selling(Shelf):
    """Sees for whom it sells."""

    def sell(self, name: str) -> Thing:
        context = current()
        assert under_way() is Noted.made[-1]
        assert (context.shadow, context.rehearsal, context.doors) == (True, False, ())
        if name == "gone":
            raise Missing(name=name)
        if name == "broken":
            raise ZeroDivisionError
        if name == "elsewhere":
            bind(Shop).sell("spade")
        return super().sell(name)


@pytest.fixture
def caller(keys: Path, monkeypatch: pytest.MonkeyPatch) -> Caller:
    monkeypatch.setattr(Noted, "made", [])
    serve.serve(Shop, Selling())
    return Caller(keys, "shop")


def rehearsed(caller: Caller, body: bytes = SPADE) -> Rehearsed:
    with runtime.configured(rehearsal=Noted):
        answer = caller.ask("sell", body, MARKED.replace(doors=("shop@monolith",)))
    assert (answer.status, answer.headers[names.EXECUTED]) == (200, "no")
    return msgspec.json.decode(answer.body, type=Rehearsed)


def test_it_is_executed_twice_and_undone(caller: Caller):
    said = rehearsed(caller)
    assert [run.status for run in said.runs] == [200, 200]
    assert said.tables == {"thing": Shape(["name"])}
    (one,) = Noted.made
    assert one.did == ["begin", "end 200", "end 200", "close"]
    assert under_way() is None


def test_it_says_what_it_would_have_answered(caller: Caller):
    for run in rehearsed(caller).runs:
        assert run.told is not None
        assert run.told.content_type == "application/json"
        assert msgspec.json.decode(run.told.body, type=Thing).name == "spade"
    for run in rehearsed(caller, b'{"name":"gone"}').runs:
        assert run.told is not None
        assert msgspec.json.decode(run.told.body)["detail"] == {"name": "gone"}


def test_what_is_too_large_is_not_said(caller: Caller, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rehearsal, "LARGEST", 3)
    assert [run.told for run in rehearsed(caller).runs] == [None, None]


@pytest.mark.parametrize(
    ("body", "ended"),
    [(b'{"name":"gone"}', "end 422 Missing"), (b'{"name":"broken"}', "end 500")],
)
def test_however_it_ends(caller: Caller, body: bytes, ended: str):
    rehearsed(caller, body)
    assert Noted.made[0].did == ["begin", ended, ended, "close"]


def test_what_commands_others_can_not_be_rehearsed(caller: Caller):
    said = rehearsed(caller, b'{"name":"elsewhere"}')
    assert {run.impossible for run in said.runs} == {"it commands others: shop.sell"}


def test_where_nothing_can_be_rehearsed_the_mark_is_a_shadow_s(caller: Caller):
    refused(caller.ask("sell", SPADE, MARKED), 403, "ShadowRefused")
    assert Noted.made == []


def test_the_mark_counts_for_nothing_without_the_shadow_s(caller: Caller):
    with runtime.configured(rehearsal=Noted):
        answer = caller.ask("sell", SPADE, Context(rehearsal=True))
    assert answer.status == 500  # it is executed in earnest, and misses its rehearsal
    assert Noted.made == []


def test_a_query_is_a_shadow_s(caller: Caller):
    with runtime.configured(rehearsal=Noted):
        assert caller.ask("look", SPADE, MARKED).status == 200
    assert Noted.made == []
