"""The service's port endpoint, over real HTTP."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from strangler.manifest.model import Resilience
from strangler.ports import headers as names
from strangler.ports import runtime
from strangler.ports.bind import bind
from strangler.ports.calling import remote
from strangler.ports.context import Context, User, use
from strangler.ports.errors import Busy, CallRefused, OutcomeUnknown
from strangler.ports.freezing.freeze import digest
from strangler.ports.serve import LIMIT
from strangler.ports.trust.keys import Keyring
from strangler.ports.trust.tokens import Use
from tests.strangler.fastapi.conftest import SAMPLE
from tests.strangler.fastapi.running import JSON, Party, Service, ask, raw
from tests.strangler.fastapi.sample import Garden, Withered

TULIP = {"name": "tulip"}


def executed(edge: Party) -> list[str]:
    found: list[str] = edge.call("done").json()
    return found


@pytest.fixture
def calling(keys: Path, garden: Service):
    """This process is the monolith, and its calls go to the service."""
    with runtime.configured(
        party="monolith",
        keyring=Keyring.load(keys, "monolith"),
        urls=lambda _capability, _arm: (garden.url,),
        placed={"garden": "remote"},
        resilience=lambda _capability: Resilience(attempts=1),
        place=None,
    ):
        yield bind(Garden)
        remote.close()


def test_bound_ports_reach_it(calling: Garden):
    with use(Context(user=User("7", ("staff",)), cohort=3, deadline=time.monotonic() + 1)):
        assert calling.look("tulip") == "a tulip"
        who = calling.who()
    assert (who.caller, who.user, who.roles, who.cohort) == ("monolith", "7", ("staff",), 3)
    assert who.hops == 1
    assert who.left is not None
    assert 0 < who.left < 1
    with pytest.raises(Withered) as withered:
        calling.look("rose")
    assert withered.value.name == "rose"
    assert calling.plant("ash") == "ash"


def test_a_fault_is_told_without_its_reason(calling: Garden, garden: Service, edge: Party):
    with pytest.raises(OutcomeUnknown, match="500 Failed"):
        calling.break_down()
    answer = edge.call("break_down")
    assert answer.error == (500, "Failed")
    assert names.EXECUTED.lower() not in answer.headers
    assert b"secret" not in answer.body
    number = answer.json()["detail"]["id"]
    (line,) = [line for line in garden.said() if number in line["event"]]
    assert "ZeroDivisionError: the secret reason" in line["exception"]


def test_an_answer_says_what_it_is(edge: Party):
    answer = edge.call("look", TULIP)
    assert (answer.status, answer.json()) == (200, "a tulip")
    assert {**answer.headers, "date": ""} == {
        "content-type": "application/json", "content-length": "9", "date": "",
        "x-strangler-arm": "service", "x-strangler-digest": digest(Garden),
    }  # fmt: skip


def test_whoever_is_among_the_callers_may_call(kitchen: Party, keys: Path):
    assert kitchen.call("look", TULIP).status == 200
    cellar = Party(keys, "cellar", to="garden", url=kitchen.url)
    assert cellar.call("look", TULIP).refused == (403, "CallerRefused")


def test_refusals_execute_nothing(edge: Party, keys: Path):
    before = executed(edge)
    foreign = Party(keys.parent / "foreign", "monolith", to="garden", url=edge.url)
    shadow = Context(hops=1, shadow=True)
    refused = {
        "no token": ask(edge.url, "POST", "/_strangler/ports/garden/look", b"{}", JSON),
        "foreign": foreign.call("look", TULIP),
        "another use": edge.call("look", TULIP, use=Use.HTTP),
        "another method": edge.call(
            "look", TULIP, headers={names.CONTEXT: edge.token("garden.done", use=Use.PORT)}
        ),
        "another audience": edge.call("look", TULIP, audience="kitchen"),
        "a command for any number": edge.call("plant", TULIP),
        "a shadow's command": edge.call("plant", TULIP, command=True, context=shadow),
        "no such method": edge.call("dig"),
        "no such port": edge.call("look", headers={names.CONTEXT: edge.token("kitchen.look")}),
        "bad arguments": edge.call("look", {"name": 1}),
        "no JSON": edge.call("look", b"{"),
        "too late": edge.call("look", TULIP, headers={names.DEADLINE: "0"}),
        "too many hops": edge.call("look", TULIP, context=Context(hops=4)),
        "too large": edge.call("look", b" " * (LIMIT + 1)),
    }
    assert {why: answer.refused[0] for why, answer in refused.items()} == {
        "no token": 401, "foreign": 401, "another use": 401, "another method": 401,
        "another audience": 401, "a command for any number": 401, "a shadow's command": 403,
        "no such method": 404, "no such port": 401, "bad arguments": 400, "no JSON": 400,
        "too late": 408, "too many hops": 508, "too large": 413,
    }  # fmt: skip
    assert executed(edge) == before


def test_a_command_is_delivered_once(edge: Party):
    before = executed(edge)
    body = b'{"name":"yew"}'
    token = edge.token("garden.plant", use=Use.PORT, once=True, body=body)
    path, headers = "/_strangler/ports/garden/plant", {names.CONTEXT: token}
    assert ask(edge.url, "POST", path, b'{"name":"fir"}', headers).refused[0] == 401
    assert ask(edge.url, "POST", path, body, headers).status == 200
    assert ask(edge.url, "POST", path, body, headers).refused[0] == 401
    assert executed(edge) == [*before, "plant yew"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_a_call_is_a_post(garden: Service, method: str):
    answer = ask(garden.url, method, "/_strangler/ports/garden/look")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert method == "HEAD" or answer.refused == (405, "MethodNotAllowed")


def test_a_caller_that_goes_in_the_midst_of_its_call_has_not_called(edge: Party):
    before = executed(edge)
    token = edge.token("garden.look", use=Use.PORT)
    head = (
        f"POST /_strangler/ports/garden/look HTTP/1.1\r\nHost: x\r\n{names.CONTEXT}: {token}\r\n"
        'Content-Length: 17\r\n\r\n{"name":'
    )
    assert raw(edge.url, head.encode(), leave=True) == b""
    assert executed(edge) == before


def test_a_body_in_pieces_is_read_whole(edge: Party):
    token = edge.token("garden.look", use=Use.PORT)
    name = "x" * 300_000
    head = (
        f"POST /_strangler/ports/garden/look HTTP/1.1\r\nHost: x\r\n{names.CONTEXT}: {token}\r\n"
        f"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    pieces = [b'{"name":"', name.encode(), b'"}']
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    found = raw(edge.url, head.encode() + chunks + b"0\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 200")
    assert found.endswith(b'"a ' + name.encode() + b'"')


@pytest.fixture(scope="module")
def narrow(surroundings: dict[str, str]):
    """One thread, and room for one more call to wait."""
    env = {**surroundings, "STRANGLER_THREADS": "1", "STRANGLER_WAITING": "1"}
    with Service(SAMPLE, env) as service:
        yield service


def occupied(service: Service, calls: int) -> None:
    """Wait until so many calls are at work or waiting."""
    limit = time.monotonic() + 5
    while f"strangler_pool_calls {calls}.0" not in service.get("/metrics").body.decode():
        assert time.monotonic() < limit
        time.sleep(0.005)


def test_whoever_comes_when_too_many_wait_is_refused_at_once(narrow: Service, keys: Path):
    edge = Party(keys, "monolith", to="garden", url=narrow.url)
    before = executed(edge)

    with ThreadPoolExecutor(8) as crowd:
        at_work = crowd.submit(edge.call, "wait", {"seconds": 0.8})
        occupied(narrow, 1)
        waiting = crowd.submit(edge.call, "look", TULIP)
        occupied(narrow, 2)
        call = edge.call("look", TULIP)
        face = edge.ask("POST", "/api/garden/look", b'{"name":"tulip"}')
        assert not at_work.done()
    assert call.refused == (503, "Busy")
    assert face.refused == (503, "Unavailable")
    assert face.headers["retry-after"] == "1"
    assert [at_work.result().status, waiting.result().status] == [200, 200]
    assert executed(edge) == [*before, "wait 0.8", "look tulip"]
    assert narrow.get("/readyz").status == 200


def test_what_waits_too_long_is_never_begun(narrow: Service, keys: Path):
    edge = Party(keys, "monolith", to="garden", url=narrow.url)
    before = executed(edge)
    hurried = {names.DEADLINE: "0.2"}
    with ThreadPoolExecutor(8) as crowd:
        at_work = crowd.submit(edge.call, "wait", {"seconds": 0.5})
        occupied(narrow, 1)
        call = edge.call("look", TULIP, headers=hurried)
        at_work.result()
        at_work = crowd.submit(edge.call, "wait", {"seconds": 0.5})
        occupied(narrow, 1)
        face = edge.ask("POST", "/api/garden/look", b'{"name":"tulip"}', headers=hurried)
        at_work.result()
    assert call.refused == (408, "TooLate")
    assert face.refused == (503, "Unavailable")
    assert executed(edge) == [*before, "wait 0.5", "wait 0.5"]


def test_callers_understand_that_it_is_busy(narrow: Service, calling: Garden):
    with (
        runtime.configured(urls=lambda _capability, _arm: (narrow.url,)),
        ThreadPoolExecutor(2) as crowd,
    ):
        both = [crowd.submit(calling.wait, 0.6) for _ in range(2)]
        occupied(narrow, 2)
        with pytest.raises(Busy):
            calling.look("tulip")
        assert [one.result() for one in both] == ["done", "done"]
        remote.close()


def test_callers_understand_that_they_may_not(garden: Service, keys: Path):
    with runtime.configured(
        party="cellar",
        keyring=Keyring.load(keys, "cellar"),
        urls=lambda _capability, _arm: (garden.url,),
        audience=lambda _capability, _arm: "garden",
        placed={"garden": "remote"},
        resilience=lambda _capability: Resilience(attempts=1),
        place=None,
    ):
        with pytest.raises(CallRefused, match="403 CallerRefused"):
            bind(Garden).look("tulip")
        remote.close()
