"""Pricing answers the same, to the letter, whichever arm and whichever way it is asked."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import pytest

from contracts.pricing import Line, Pricing
from strangler.ladder import Stage
from strangler.manifest.model import Resilience
from strangler.ports import runtime
from strangler.ports.bind import bind
from strangler.ports.calling import remote
from strangler.ports.errors import CallRefused, DeclaredError
from strangler.ports.face import problem
from strangler.ports.trust.keys import Keyring
from tests.parity.arms import Arms
from tests.parity.corpus import CASES, Case
from tests.strangler.fastapi.running import JSON, Answered, ask

URL = "/api/pricing/quote"
GOOD = next(case for case in CASES if case.status == 200)
LIMIT = 1024 * 1024
WAYS = ("monolith", "service", "edge")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("way", WAYS)
def test_the_corpus(arms: Arms, way: str, case: Case):
    answer = arms.ask(way, "POST", URL, case.body, {"Content-Type": case.content_type})
    assert (answer.status, answer.json()) == (case.status, case.answer)
    assert answer.headers["content-type"] == "application/json"


class Odd(NamedTuple):
    """A request beside the corpus; what it is answered, both arms only have to agree on."""

    name: str
    status: int
    method: str = "POST"
    path: str = URL
    body: bytes | None = GOOD.body
    headers: dict[str, str] = JSON
    edge: int | None = None
    """The status where the edge answers by itself, and otherwise than the arms would."""


def typed(name: str | None) -> dict[str, str]:
    return {} if name is None else {"Content-Type": name}


TEXT = typed("text/plain")
ODD = [
    Odd("GET", 405, "GET", body=None, headers={}),
    Odd("HEAD", 405, "HEAD", body=None, headers={}),
    Odd("OPTIONS", 405, "OPTIONS", body=None, headers={}),
    Odd("PUT", 405, "PUT"),
    Odd("PATCH", 405, "PATCH"),
    Odd("DELETE", 405, "DELETE", body=None, headers={}),
    Odd("a slash too many", 404, path=f"{URL}/"),
    Odd("a slash too many, read", 404, "GET", f"{URL}/", None, {}),
    Odd("nothing there", 404, "GET", "/api/pricing/nothing", None, {}),
    Odd("nothing there, in another script", 404, "GET", "/api/pricing/%C3%A4%3F", None, {}),
    Odd("the prefix", 404, "GET", "/api/pricing/", None, {}),
    Odd("the prefix without its slash", 404, "GET", "/api/pricing", None, {}),
    Odd("an encoded letter", 200, path="/api/pricing/%71uote"),
    Odd("a query string", 200, path=f"{URL}?country=XX&a=%00"),
    Odd("no type", 415, headers={}),
    Odd("text", 415, headers=typed("text/plain")),
    Odd("almost JSON", 415, headers=typed("application/jsonx")),
    Odd("JSON with a charset", 200, headers=typed("application/json; charset=utf-8")),
    Odd("JSON in capitals", 200, headers=typed("APPLICATION/JSON")),
    Odd("whatever it would like back", 200, headers={**JSON, "Accept": "text/html"}),
    Odd("other credentials", 200, headers={**JSON, "Authorization": "Bearer forged"}),
    Odd("a whole megabyte", 400, body=b" " * LIMIT),
    Odd("a byte more", 413, body=b" " * (LIMIT + 1)),
    Odd("three megabytes", 413, body=b" " * (3 * LIMIT)),
    # The edge looks at the size alone, and first.
    Odd("three megabytes of text", 415, body=b" " * (3 * LIMIT), headers=TEXT, edge=413),
    Odd("nested without end", 400, body=b"[" * 100_000),
    Odd("a byte order mark", 400, body=b"\xef\xbb\xbf" + GOOD.body),
    Odd("another encoding", 400, body=GOOD.body.decode().encode("utf-16")),
    Odd("bytes that are no text", 400, body=b'{"lines":[{"sku":"\xff","quantity":1}]}'),
    Odd("no number", 400, body=b'{"lines":[{"sku":"LAMP","quantity":NaN}],"country":"DE"}'),
    Odd("a huge number", 400, body=b'{"lines":[{"sku":"LAMP","quantity":1e999}],"country":"DE"}'),
    Odd("more after the end", 400, body=GOOD.body + b"{}"),
    Odd("a key twice", 200, body=GOOD.body[:-1] + b',"country":"JP"}'),
    Odd("null", 400, body=b"null"),
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_whatever_is_asked_all_ways_agree(arms: Arms, odd: Odd):
    answers = {way: arms.ask(way, odd.method, odd.path, odd.body, odd.headers) for way in WAYS}
    seen = {way: shown(answer) for way, answer in answers.items()}
    assert seen["monolith"][0] == odd.status
    assert seen["service"] == seen["monolith"]
    if odd.edge is None:
        assert seen["edge"] == seen["monolith"]
    else:
        assert seen["edge"][0] == odd.edge


def shown(answer: Answered) -> tuple[int, Any, dict[str, str | None]]:
    """What a client can rely on."""
    body = json.loads(answer.body) if answer.body else None
    kept = ["content-type", "retry-after", "www-authenticate", "location"]
    if answer.status == 405:  # on other answers REST framework says it too
        kept.append("allow")
    return answer.status, body, {name: answer.headers.get(name) for name in kept}


Endpoint = tuple[str, Stage]
ENDPOINTS: dict[str, Endpoint] = {
    "the service": ("pricing", Stage.MONOLITH),
    "the monolith": ("monolith", Stage.MONOLITH),
    "the monolith, which asks the service": ("monolith", Stage.LIVE),
}


@pytest.fixture(scope="module", params=ENDPOINTS)
def pricing(request: pytest.FixtureRequest, arms: Arms) -> Iterator[Pricing]:
    """The port over HTTP, at each endpoint that answers for it."""
    party, stage = ENDPOINTS[request.param]
    url = arms.services["pricing"].url if party == "pricing" else arms.monolith.url
    with runtime.configured(
        party="monolith",
        keyring=Keyring.load(arms.keys, "monolith"),
        urls=lambda _name, _arm: (url,),
        audience=lambda _name, _arm: party,
        resilience=lambda _name: Resilience(attempts=1),
        place=None,
        placed={"pricing": "remote"},
    ):
        arms.stand(stage)
        yield bind(Pricing)
        remote.close()


NO_CALLS = {"InvalidRequest", "UnsupportedMediaType"}
CALLS = [case for case in CASES if case.answer.get("error") not in NO_CALLS]


@pytest.mark.parametrize("case", CALLS, ids=lambda case: case.name)
def test_the_corpus_through_the_port(pricing: Pricing, case: Case):
    asked = json.loads(case.body)
    lines = [Line(line["sku"], line["quantity"]) for line in asked["lines"]]
    try:
        quote = pricing.quote(lines, asked["country"], asked.get("coupon"))
    except DeclaredError as error:
        status, body = problem(error)
        assert (status, msgspec.to_builtins(body)) == (case.status, case.answer)
    else:
        assert (200, msgspec.to_builtins(quote)) == (case.status, case.answer)


def test_arguments_that_are_none_do_not_pass(pricing: Pricing):
    with pytest.raises(CallRefused, match=r"400 BadArguments: \$\.lines"):
        pricing.quote([], "DE")


@pytest.mark.parametrize("arm", ["monolith", "service"])
def test_each_arm_describes_the_frozen_face(arms: Arms, arm: str):
    described, frozen = arms.describes(arm, "pricing")
    assert described == frozen


def test_a_service_that_hangs_is_not_missed(arms: Arms):
    """The monolith answers the very request that the service has been sent."""
    arms.stand(Stage.LIVE)
    arms.services["pricing"].signal(signal.SIGSTOP)
    try:
        answer = ask(arms.monolith.url, "POST", URL, GOOD.body, JSON)
    finally:
        arms.services["pricing"].signal(signal.SIGCONT)
    assert (answer.status, answer.json()) == (200, GOOD.answer)
    assert answer.headers["x-strangler-reason"] == "fallback"
