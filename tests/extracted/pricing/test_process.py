"""The pricing service as a process of its own, beside a monolith that may fail."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from strangler.ports import headers as names
from strangler.ports.context import Context, User
from strangler.ports.trust.keys import Keyring, generate
from strangler.ports.trust.tokens import Use, verify
from tests.strangler.django.faults import Behave, Faults, close, faults, garbage, hang, reply
from tests.strangler.fastapi.running import JSON, ROOT, Answered, Party, Service, ask, started

MODULE = "extracted.pricing"
URL = "/api/pricing/quote"
BASKET = b'{"lines":[{"sku":"LAMP","quantity":2}],"country":"DE"}'
LAMP = {
    "sku": "LAMP", "name": "Lamp", "description": "", "category": "home", "attributes": {},
    "price": {"amount": "10.00", "currency": "EUR"}, "active": True,
}  # fmt: skip
TRACE = "a" * 32


@dataclass
class Pair:
    """The service, and what stands in the monolith's place."""

    service: Service
    monolith: Faults
    keys: Path

    def quote(self, *, left: float = 3.0, context: Context | None = None) -> Answered:
        edge = Party(self.keys, "monolith", to="pricing", url=self.service.url)
        headers = {
            **JSON, names.DEADLINE: str(left), "traceparent": f"00-{TRACE}-{'b' * 16}-01",
        }  # fmt: skip
        return edge.ask("POST", URL, BASKET, context=context, headers=headers)


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    keys = tmp_path_factory.mktemp("pricing") / "keys"
    for party in ("monolith", "pricing"):
        generate(keys, party)
    manifest = (ROOT / "router" / "capabilities.toml").read_text()
    patient = "[capability.catalog.resilience]\nattempts = 2\nbreaker = { failures = 1000 }\n"
    path = keys.parent / "capabilities.toml"
    path.write_text(f"{manifest}\n{patient}")
    return {
        "STRANGLER_MANIFEST": str(path), "STRANGLER_KEYS": str(keys), "STRANGLER_TABLE": "",
        "PRICING_RULES": "",
    }  # fmt: skip


@pytest.fixture(scope="module")
def running(surroundings: dict[str, str]) -> Iterator[Pair]:
    with faults() as monolith:
        env = {**surroundings, "STRANGLER_MONOLITH_URL": monolith.url}
        with Service(MODULE, env) as service:
            yield Pair(service, monolith, Path(surroundings["STRANGLER_KEYS"]))


@pytest.fixture
def pair(running: Pair) -> Pair:
    """The monolith knows a lamp, and has not been asked yet."""
    running.monolith.behave = reply(200, [LAMP])
    running.monolith.seen.clear()
    return running


def test_it_asks_the_monolith_by_its_own_name_for_the_same_user(pair: Pair):
    context = Context(user=User("7", ("staff",)), cohort=17, hops=1, shadow=True)
    answer = pair.quote(left=1.5, context=context)
    assert (answer.status, answer.json()["total"]) == (200, "23.80")
    (asked,) = pair.monolith.seen
    assert (asked.method, asked.target) == ("POST", "/_strangler/ports/catalog/products")
    assert json.loads(asked.body) == {"skus": ["LAMP"]}
    proved = verify(
        Keyring.load(pair.keys, "monolith"),
        asked.header(names.CONTEXT) or "",
        use=Use.PORT,
        action="catalog.products",
    )
    assert (proved.caller, proved.user, proved.cohort) == ("pricing", User("7", ("staff",)), 17)
    assert (proved.hops, proved.shadow) == (2, True)
    assert (asked.header("traceparent") or "").split("-")[1] == TRACE


def test_less_time_is_left_at_each_hop(pair: Pair):
    pair.quote(left=60)
    pair.monolith.behave = BUSY
    pair.quote(left=0.9)
    long, first, second = (float(asked.header(names.DEADLINE) or 0) for asked in pair.monolith.seen)
    assert 0 < second < first <= 0.9
    assert 0.9 < long <= 2.0  # more than its contract says nobody waits for the catalog


BUSY = reply(503, {}, f"{names.EXECUTED}: no")
FAULTS: dict[str, tuple[Behave, int, str]] = {
    "breaks off": (close, 502, "BadGateway"),
    "speaks in tongues": (garbage, 502, "BadGateway"),
    "is broken": (reply(500, {"error": "Failed", "message": "x"}), 502, "BadGateway"),
    "is busy": (BUSY, 503, "Unavailable"),
    "hangs": (hang, 504, "TimedOut"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_without_prices_there_is_no_quote_and_it_is_said_in_time(pair: Pair, fault: str):
    """With these the edge falls back: 502, 503 and 504."""
    pair.monolith.behave, status, error = FAULTS[fault]
    began = time.monotonic()
    assert pair.quote(left=0.4).error == (status, error)
    assert time.monotonic() - began < 0.8


def test_without_a_monolith_it_says_so_at_once_and_stays_ready(surroundings: dict[str, str]):
    nowhere = {"STRANGLER_MONOLITH_URL": "http://127.0.0.1:9"}
    with Service(MODULE, {**surroundings, **nowhere}) as service, faults() as nobody:
        pair = Pair(service, nobody, Path(surroundings["STRANGLER_KEYS"]))
        answer = pair.quote(left=1.0)
        assert answer.error == (503, "Unavailable")
        assert answer.headers["retry-after"] == "1"
        assert service.get("/readyz").json()["status"] == "ready"


def test_what_is_wrong_with_the_request_needs_no_monolith(pair: Pair):
    edge = Party(pair.keys, "monolith", to="pricing", url=pair.service.url)
    body = BASKET.replace(b"DE", b"XX")
    assert edge.ask("POST", URL, body, headers=JSON).error == (400, "UnknownCountry")
    assert pair.monolith.hits == 0


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_past_the_edge_there_are_no_prices(pair: Pair, method: str):
    answer = ask(pair.service.url, method, URL, BASKET, JSON)
    assert answer.refused == (401, "NotThroughTheEdge")
    assert pair.monolith.hits == 0


def test_rules_with_mistakes_stop_it_and_all_of_them_are_told(
    surroundings: dict[str, str], tmp_path: Path
):
    rules = (ROOT / "extracted" / "pricing" / "rules.toml").read_text()
    for right, wrong in (("tax = 19", "tax = 190"), ("digits = 0", ""), ('"half-up"', '"up"')):
        assert right in rules
        rules = rules.replace(right, wrong, 1)
    (tmp_path / "rules.toml").write_text(rules)
    done = started(MODULE, **{**surroundings, "PRICING_RULES": str(tmp_path / "rules.toml")})
    assert (done.returncode, done.stdout) == (1, "")
    first, *problems = done.stderr.splitlines()
    assert first == "extracted.pricing can't start:"
    keys = [problem.split(": ")[1] for problem in problems]
    assert keys == ["currencies.EUR.rounding", "currencies.JPY.digits", "countries.DE.tax"]


def test_its_document_names_every_answer(pair: Pair):
    operation = pair.service.get("/openapi.json").json()["paths"][URL]["post"]
    assert operation["operationId"] == "pricing_quote"
    assert operation["tags"] == ["pricing"]
    assert set(operation["responses"]) == {"200", "400"}
