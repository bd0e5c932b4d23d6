"""The public face of a service: who may ask, and what everybody else is told."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strangler.ports import headers as names
from strangler.ports.context import Context, User
from strangler.ports.trust.tokens import Use
from tests.strangler.fastapi.running import JSON, Answered, Party, Service, ask, raw

TRACE = "a" * 32
TULIP = b'{"name": "tulip"}'
PLANT = b'{"name": "oak"}'


def executed(edge: Party) -> list[str]:
    found: list[str] = edge.call("done").json()
    return found


@pytest.fixture
def _nothing_happens(edge: Party) -> Iterator[None]:
    """Whatever the test does, the service executes nothing."""
    before = executed(edge)
    yield
    assert executed(edge) == before


unharmed = pytest.mark.usefixtures("_nothing_happens")


def test_a_request_runs_in_the_context_that_the_edge_proves(edge: Party):
    context = Context(user=User("7", ("staff",)), cohort=17, hops=1, shadow=True)
    headers = {names.DEADLINE: "1.5", "traceparent": f"00-{TRACE}-{'b' * 16}-01"}
    answer = edge.ask("GET", "/api/garden/who", context=context, headers=headers)
    found = answer.json()
    assert 1.0 < found.pop("left") <= 1.5
    assert found == {
        "caller": "monolith", "user": "7", "roles": ["staff"], "cohort": 17, "shadow": True,
        "hops": 1, "trace": TRACE, "kit": [], "link": f"{edge.url}/api/garden/plants/x",
    }  # fmt: skip
    assert answer.headers["x-strangler-arm"] == "service"
    _, trace, span, _ = answer.headers["traceparent"].split("-")
    assert (trace, span != "b" * 16) == (TRACE, True)


def test_nobody_is_somebody_too(edge: Party):
    found = edge.ask("GET", "/api/garden/who", context=Context()).json()
    assert (found["user"], found["roles"], found["cohort"], found["left"]) == (None, [], None, None)
    assert len(found["trace"]) == 32


def test_links_begin_as_the_client_sees_the_shop(edge: Party):
    headers = {"X-Forwarded-Proto": "https", "Host": "shop.example"}
    link = edge.ask("GET", "/api/garden/who", headers=headers).json()["link"]
    assert link == "https://shop.example/api/garden/plants/x"


@unharmed
def test_no_header_but_the_signed_one_is_believed(edge: Party):
    headers = {
        names.FORCE: "service", names.ARM: "monolith", "X-Strangler-User": "1",
        "X-Forwarded-Proto": "gopher", "X-Strangler-Shadow": "1",
    }  # fmt: skip
    found = edge.ask("GET", "/api/garden/who", headers=headers).json()
    assert (found["user"], found["shadow"], found["kit"]) == (None, False, [])
    assert found["link"].startswith("http://")


def forged(part: dict[str, Any], claims: str) -> str:
    head = urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
    return f"{head}.{claims}."


@unharmed
@pytest.mark.parametrize("kind", ["query", "command", "odd query"])
def test_past_the_edge_nothing_is_to_be_had(garden: Service, kind: str):
    method, path, body = {
        "query": ("GET", "/api/garden/who", None),
        "odd query": ("POST", "/api/garden/look", TULIP),
        "command": ("POST", "/api/garden/plants", PLANT),
    }[kind]
    answer = ask(garden.url, method, path, body, JSON if body else None)
    assert answer.refused == (401, "NotThroughTheEdge")
    assert "x-strangler-arm" not in answer.headers


@unharmed
def test_what_proves_nothing_is_refused(edge: Party, keys: Path):
    good = edge.token("garden GET")
    head, claims, signature = good.split(".")
    foreign = Party(keys.parent / "foreign", "monolith", to="garden", url=edge.url)
    nobody = Party(keys.parent / "foreign", "nobody", to="garden", url=edge.url)
    bad = {
        # Contexts of their own: a query's token is kept for a while, whatever the clock says.
        "expired": edge.token("garden GET", Context(cohort=1), now=time.time() - 36),
        "of the future": edge.token("garden GET", Context(cohort=2), now=time.time() + 36),
        "foreign": foreign.token("garden GET"),
        "unknown": nobody.token("garden GET"),
        "another audience": edge.token("garden GET", audience="kitchen"),
        "another use": edge.token("garden GET", use=Use.PORT),
        "a wish": edge.token("garden GET", use=Use.FORCE),
        "another method": edge.token("garden POST"),
        "another capability": edge.token("kitchen GET"),
        "alg=none": forged({"alg": "none", "kid": "monolith", "typ": "strangler+jwt"}, claims),
        "alg=HS256": forged({"alg": "HS256", "kid": "monolith", "typ": "strangler+jwt"}, claims),
        "no signature": f"{head}.{claims}.",
        "altered": f"{head}.{claims[:-2]}AA.{signature}",
        "garbage": "x" * 10_000,
        "empty": "",
    }
    for why, token in bad.items():
        answer = ask(edge.url, "GET", "/api/garden/who", headers={names.CONTEXT: token})
        assert answer.refused == (401, "NotThroughTheEdge"), why


@unharmed
def test_only_the_edge_speaks_for_clients(kitchen: Party):
    """A service that may call the port may not pose as a client's edge."""
    context = Context(user=User("1", ("staff",)), hops=1)
    answer = kitchen.ask("GET", "/api/garden/who", context=context)
    assert answer.refused == (403, "CallerRefused")


def test_a_command_is_executed_once(edge: Party):
    before = executed(edge)
    path = "/api/garden/plants"
    token = edge.token("garden POST", once=True, body=PLANT, target=path)
    headers = {**JSON, names.CONTEXT: token}

    def send(body: bytes, path: str = path) -> Answered:
        return ask(edge.url, "POST", path, body, headers)

    assert send(b'{"name": "elm"}').refused == (401, "NotThroughTheEdge")
    for other in (f"{path}?n=1", f"{path}/", "/api/garden/%70lants", "/api/garden/elsewhere"):
        assert send(PLANT, other).refused == (401, "NotThroughTheEdge")
    first = send(PLANT)
    assert (first.status, first.json()) == (201, "oak")
    assert send(PLANT).refused == (401, "NotThroughTheEdge")
    assert executed(edge) == [*before, "plant oak"]


@pytest.mark.parametrize("query", ["?n=1&m=%20", "?n=%C3%BC", "?"])
def test_a_command_s_query_string_is_that_of_its_token(edge: Party, query: str):
    path = "/api/garden/plants"
    signed = path if query == "?" else f"{path}{query}"
    token = edge.token("garden POST", once=True, body=PLANT, target=signed)
    headers = {**JSON, names.CONTEXT: token}
    assert ask(edge.url, "POST", f"{path}{query}", PLANT, headers).status == 201


@unharmed
@pytest.mark.parametrize(
    ("context", "claims", "wanted"),
    [
        (Context(hops=1, shadow=True), {"command": True}, (403, "ShadowRefused")),
        (
            Context(hops=1, shadow=True, rehearsal=True),  # nothing can be rehearsed here
            {"command": True},
            (403, "ShadowRefused"),
        ),
        (Context(hops=4), {"command": True}, (508, "TooManyHops")),
        (Context(hops=1), {"command": False}, (401, "NotThroughTheEdge")),  # good for any number
        (Context(hops=1), {"once": True, "body": b"other"}, (401, "NotThroughTheEdge")),
        (Context(hops=1), {"once": True}, (401, "NotThroughTheEdge")),  # good for any body
    ],
)
def test_commands_that_must_not_run(
    edge: Party, context: Context, claims: dict[str, Any], wanted: tuple[int, str]
):
    answer = edge.ask("POST", "/api/garden/plants", PLANT, context=context, **claims)
    assert answer.refused == wanted


@unharmed
@pytest.mark.parametrize(
    ("deadline", "wanted"),
    [
        ("0", (408, "TooLate")),
        ("-1", (408, "TooLate")),
        ("nan", (400, "BadDeadline")),
        ("1e9", (400, "BadDeadline")),
        ("soon", (400, "BadDeadline")),
    ],
)
def test_deadlines_that_are_over_or_none(edge: Party, deadline: str, wanted: tuple[int, str]):
    headers = {names.DEADLINE: deadline}
    answer = edge.ask("POST", "/api/garden/look", TULIP, headers=headers)
    assert answer.refused == wanted


ODD = [
    "//api/garden/who",
    "/api//garden/who",
    "/api/garden/./who",
    "/api/garden/../garden/who",
    "/api/x/../garden/who",
    "/api/garden%2Fwho",
    "/api/garden%2fwho",
    "/api%2Fgarden%2Fwho",
    "/api/garden/%2e%2e/garden/who",
    "/api/garden\\who",
    "/api/garden%5Cwho",
    "/api/garden/who%00",
    "/api/garden/who%0a",
    "/api/garden/who%",
    "/api/garden/%ff",
    "/%2Fapi/garden/who",
]


@unharmed
@pytest.mark.parametrize("path", ODD)
def test_odd_paths_reach_no_route(edge: Party, path: str):
    for answer in (edge.ask("GET", path), ask(edge.url, "GET", path)):
        assert answer.refused == (400, "OddPath")


@unharmed
@pytest.mark.parametrize(
    "path",
    ["/api/%67arden/who", "/API/garden/who", "/api/garden/who?x=/api/kitchen", "/api/garden"],
)
def test_another_spelling_needs_the_same_proof(garden: Service, path: str):
    assert ask(garden.url, "GET", path).error[0] in {401, 404}


def test_an_encoded_path_is_the_path(edge: Party):
    assert edge.ask("GET", "/api/%67arden/who").status == 200
    assert edge.ask("GET", "/api/garden/plants/%C3%A4pfel%3F").json() == "äpfel?"


@pytest.mark.parametrize("path", ["/api/gardens/who", "/api/gardenwho", "/api/Garden/who"])
def test_a_neighbour_of_the_prefix_is_nothing(edge: Party, path: str):
    assert edge.ask("GET", path).error == (404, "NotFound")


@unharmed
@pytest.mark.parametrize(
    "data",
    [
        b"GET /api/garden/\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET http://x//api/garden/who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET http://x/api/garden/who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET api/garden/who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"BREW /api/garden/who HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"\r\n\r\n\x00\x01",
    ],
)
def test_bytes_that_are_no_proper_request(garden: Service, data: bytes):
    found = raw(garden.url, data)
    assert found.split(b" ", 2)[1][:1] == b"4"
    assert b"Traceback" not in found
    assert garden.get("/healthz").status == 200


@unharmed
def test_a_websocket_is_nobody(garden: Service):
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "x" * 16,
    }  # fmt: skip
    answer = ask(garden.url, "GET", "/api/garden/who", headers=upgrade)
    assert answer.refused == (401, "NotThroughTheEdge")
