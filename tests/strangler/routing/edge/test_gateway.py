"""What a gateway owes, of a real NGINX: limits, other sites' scripts, headers for browsers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.strangler.django.faults import reply
from tests.strangler.routing.edge.front import MANIFEST, Answer, System, system

SITE = "https://shop.example"
GATEWAY = """
[capability.weather.gateway]
rate    = "2/m"
burst   = 3
origins = ["https://shop.example", "http://localhost:3000"]

[capability.tides.gateway]
rate    = "2/m"
rate_by = "address"
burst   = 1
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with system(tmp_path_factory.mktemp("edge"), text=MANIFEST + GATEWAY, tables=True) as made:
        yield made


@pytest.fixture
def edge(running: System) -> System:
    running.reset()
    return running


def key(number: int) -> dict[str, str]:
    """A client of its own."""
    return {"X-Api-Key": f"client {number}"}


@pytest.mark.parametrize(
    ("number", "share", "method", "arm"),
    [
        (0, 1000, "GET", "service"),
        (1, 0, "GET", "monolith"),
        (2, 1000, "DELETE", "service"),
        (3, 0, "DELETE", "monolith"),
    ],
)
def test_who_asks_too_often_has_to_wait(
    edge: System, number: int, share: int, method: str, arm: str
) -> None:
    edge.stand(share)
    answers = [edge.ask(method, "/weather/rome", key(number)) for _ in range(5)]
    assert [one.status for one in answers] == [200, 200, 200, 200, 429]
    assert {one.arm for one in answers[:4]} == {arm}
    refused = answers[-1]
    assert refused.json()["error"] == "TooManyRequests"
    assert refused.header("Retry-After") == "30"
    assert refused.header("X-Strangler-Executed") == "no"
    hits = len(edge.asked) + edge.service.hits
    assert hits == 4
    # Somebody else does not wait for that.
    assert edge.ask(method, "/weather/rome", key(100 + number)).status == 200


def test_a_credential_does_not_matter_where_addresses_are_counted(edge: System) -> None:
    edge.stand(1000)
    statuses = [edge.ask("GET", "/tides/rome", key(number)).status for number in range(3)]
    assert statuses == [200, 200, 429]


def test_one_request_counts_once_however_many_are_asked(edge: System) -> None:
    edge.stand(1000)
    edge.service.behave = reply(503, {})
    answers = [edge.ask("GET", "/weather/rome", key(10)) for _ in range(5)]
    assert [one.status for one in answers] == [200, 200, 200, 200, 429]
    assert {one.reason for one in answers[:4]} == {"fallback"}


def test_a_services_own_refusal_is_passed_on(edge: System) -> None:
    edge.stand(1000)
    edge.service.behave = reply(429, {"error": "Mine"}, "Retry-After: 7")
    answer = edge.ask("GET", "/weather/rome", key(20))
    assert (answer.status, answer.json(), answer.all("Retry-After")) == (
        429,
        {"error": "Mine"},
        ["7"],
    )


def preflight(edge: System, origin: str, path: str = "/weather/rome") -> Answer:
    asks = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-api-key"}
    return edge.ask("OPTIONS", path, {"Origin": origin, **asks})


def cross(answer: Answer) -> dict[str, str]:
    begin = "Access-Control-"
    return {name[len(begin) :]: value for name, value in answer.headers if name.startswith(begin)}


@pytest.mark.parametrize("origin", [SITE, "http://localhost:3000"])
def test_another_sites_script_may_ask_where_the_manifest_says_so(edge: System, origin: str) -> None:
    edge.stand(1000)
    answer = preflight(edge, origin)
    assert (answer.status, edge.service.hits, edge.asked) == (204, 0, [])
    assert len(answer.all("traceparent")) == 1
    assert cross(answer) == {
        "Allow-Origin": origin,
        "Allow-Credentials": "true",
        "Allow-Methods": "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE",
        "Allow-Headers": "x-api-key",
        "Max-Age": "600",
        "Expose-Headers": "X-Strangler-Arm, traceparent, Retry-After",
    }
    answer = edge.ask("GET", "/weather/rome", {"Origin": origin, **key(30)})
    assert cross(answer).keys() == {"Allow-Origin", "Allow-Credentials", "Expose-Headers"}
    assert cross(answer)["Allow-Origin"] == origin
    assert answer.all("Vary") == ["Origin"]


@pytest.mark.parametrize(
    ("origin", "path"),
    [
        ("https://evil.example", "/weather/rome"),
        ("https://shop.example.evil", "/weather/rome"),
        ("https://shop.example:8443", "/weather/rome"),
        ("http://shop.example", "/weather/rome"),
        ("null", "/weather/rome"),
        ("", "/weather/rome"),
        (SITE, "/tides/rome"),
        (SITE, "/elsewhere"),
    ],
)
def test_no_other_site_may(edge: System, origin: str, path: str) -> None:
    edge.stand(1000)
    assert cross(preflight(edge, origin, path)) == {}
    assert cross(edge.ask("GET", path, {"Origin": origin, **key(40)})) == {}


def test_an_options_that_asks_nothing_before_is_a_query(edge: System) -> None:
    edge.stand(1000)
    answer = edge.ask("OPTIONS", "/weather/rome", {"Origin": SITE, **key(50)})
    assert (answer.status, answer.arm, edge.service.hits) == (200, "service", 1)


@pytest.mark.parametrize("path", ["/weather/rome", "/elsewhere"])
def test_browsers_are_protected_where_an_answer_does_not_say_how(edge: System, path: str) -> None:
    edge.stand(0)
    ours = {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
    }
    for number, (own, said) in enumerate(
        [((), ours), (("X-Frame-Options: SAMEORIGIN",), {**ours, "X-Frame-Options": "SAMEORIGIN"})]
    ):
        edge.monolith.behave = reply(200, {}, *own)
        answer = edge.ask("GET", path, key(60 + number))
        assert {name: answer.all(name) for name in ours} == {
            name: [one] for name, one in said.items()
        }
    odd = edge.ask("GET", "/weather//rome")
    assert (odd.status, odd.header("X-Content-Type-Options")) == (400, "nosniff")
