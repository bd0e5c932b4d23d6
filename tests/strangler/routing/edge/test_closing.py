"""A capability that is closed, at a real NGINX: clients are told to come again, by the table."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from strangler.ladder import COHORTS, Share, Stage
from strangler.routing.publish import publish
from strangler.routing.table import Entry
from tests.strangler.routing.edge.front import MANIFEST, System, system

SITE = "https://shop.example"
CLOSING = """
[capability.weather.gateway]
maintenance = "90s"
origins     = ["https://shop.example"]
"""


@pytest.fixture(
    scope="module", params=[frozenset(), frozenset({"weather"})], ids=["on the ladder", "retired"]
)
def running(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[System]:
    root, text = tmp_path_factory.mktemp("edge"), MANIFEST + CLOSING
    with system(root, text=text, tables=True, retired=request.param) as made:
        yield made


@pytest.fixture
def edge(running: System) -> System:
    running.reset()
    return running


def close(edge: System, *names: str) -> None:
    edge.revision += 1
    entries = {
        name: Entry(
            Stage.LIVE,
            0,
            held=False,
            killed=False,
            share=Share(COHORTS, COHORTS),
            fallback=True,
            closed=name in names,
        )
        for name in edge.manifest.capabilities
    }
    publish(edge.table, edge.revision, entries)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_is_asked_while_it_is_closed(edge: System, method: str) -> None:
    close(edge, "weather")
    answer = edge.ask(method, "/weather/rome", {"Origin": SITE})
    assert (answer.status, answer.json()["error"], answer.arm) == (503, "Maintenance", None)
    assert (answer.header("Retry-After"), answer.header("X-Strangler-Executed")) == ("90", "no")
    assert answer.header("Access-Control-Allow-Origin") == SITE, "a script may read when"
    assert (edge.monolith.seen, edge.service.seen) == ([], [])
    assert edge.ask(method, "/tides/rome").status == 200
    assert edge.ask(method, "/about").status == 200
    close(edge)
    assert edge.ask(method, "/weather/rome").status == 200, "at once"


def test_a_browser_may_ask_whether_it_may(edge: System) -> None:
    close(edge, "weather")
    asks = {"Origin": SITE, "Access-Control-Request-Method": "PUT"}
    assert edge.ask("OPTIONS", "/weather/rome", asks).status == 204


def test_where_no_edge_is_to_look_none_does(edge: System) -> None:
    close(edge, "tides")
    assert edge.ask("GET", "/tides/rome").status == 200


def test_it_is_no_failure_of_an_arm(edge: System) -> None:
    close(edge, "weather")
    edge.ask("GET", "/weather/closed")
    until = time.monotonic() + 10
    lines: list[dict[str, object]] = []
    while not lines and time.monotonic() < until:
        time.sleep(0.02)
        lines = [line for line in edge.front.log() if line["path"] == "/weather/closed"]
    assert [(line["kind"], line["status"]) for line in lines] == [("", 503)]
