"""API keys, at a real NGINX: who shows a known one is let in, under its name, and nobody else."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from strangler.ladder import COHORTS
from strangler.ports.trust import clients
from tests.strangler.routing.edge.front import MANIFEST, Answer, System, system

SITE = "https://shop.example"
KEYS = """
[capability.weather.gateway]
key     = "X-Api-Key"
rate    = "2/m"
rate_by = "key"
burst   = 9
origins = ["https://shop.example"]

[capability.tides.gateway]
key = "X-Sea-Key"
"""


@dataclass
class Keys:
    """What four clients send."""

    every: str
    weather: str
    tides: str
    revoked: str


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Keys, Path]:
    folder = tmp_path_factory.mktemp("keys")
    made = Keys(
        *(
            clients.add(folder, name, opens)[1]
            for name, opens in [
                ("every", []),
                ("sky", ["weather"]),
                ("sea", ["tides"]),
                ("former", []),
            ]
        )
    )
    clients.revoke(folder, "former")
    return made, folder


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, keys: tuple[Keys, Path]) -> Iterator[System]:
    known = clients.read(keys[1])
    root = tmp_path_factory.mktemp("edge")
    with system(root, text=MANIFEST + KEYS, tables=True, keys=known) as made:
        yield made


@pytest.fixture
def edge(running: System) -> System:
    running.reset()
    return running


def refused(edge: System, answer: Answer, header: str) -> None:
    assert (answer.status, answer.json()["error"], answer.arm) == (401, "KeyRequired", None)
    assert header in answer.json()["message"]
    (challenge,) = answer.all("WWW-Authenticate")
    assert f'header="{header}"' in challenge
    assert answer.all("X-Strangler-Executed") == ["no"]
    assert len(answer.all("traceparent")) == 1
    assert (edge.monolith.seen, edge.service.seen) == ([], [])


@pytest.mark.parametrize("share", [0, COHORTS])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_known_key_opens_what_it_is_for(
    edge: System, keys: tuple[Keys, Path], share: int, method: str
) -> None:
    edge.stand(share)
    for key in (keys[0].weather, keys[0].every):
        answer = edge.ask(method, "/weather/rome", {"X-Api-Key": key})
        assert (answer.status, answer.arm) == (200, "service" if share else "monolith")
        assert answer.all("WWW-Authenticate") == []


@pytest.mark.parametrize("share", [0, COHORTS])
def test_no_other_does(edge: System, keys: tuple[Keys, Path], share: int) -> None:
    edge.stand(share)
    good = keys[0].weather
    name, number, secret = good.split(".")
    other = "A" if secret[0] != "A" else "B"
    for key in (
        "",
        keys[0].tides,
        keys[0].revoked,
        f"{name}.{number}.{other}{secret[1:]}",
        f"{name}.{number}.{secret.swapcase()}",
        f"every.{number}.{secret}",
        f"{name}.{number}.",
        f"{name}.{number}",
        f" {good}x",
        good.upper(),
        "x" * 3000,
    ):
        given: Mapping[str, str] = {"X-Api-Key": key} if key else {}
        refused(edge, edge.ask("GET", "/weather/rome", given), "X-Api-Key")
    refused(edge, edge.ask("DELETE", "/weather/rome"), "X-Api-Key")
    refused(edge, edge.ask("GET", "/weather/rome", {"X-Sea-Key": good}), "X-Api-Key")
    refused(edge, edge.ask("GET", "/tides/high", {"X-Api-Key": keys[0].tides}), "X-Sea-Key")
    assert edge.ask("GET", "/about").status == 200, "no capability's"


def test_no_service_sees_it_and_tokens_are_its_own(edge: System, keys: tuple[Keys, Path]) -> None:
    edge.stand(COHORTS)
    for header, path in [("X-Api-Key", "/weather/rome"), ("X-Sea-Key", "/tides/high")]:
        edge.reset()
        answer = edge.ask("GET", path, {header: keys[0].every, "X-Tenant": "a"})
        assert answer.status == 200
        assert edge.service.seen[-1].header(header) is None
        assert keys[0].every not in str(edge.service.seen[-1])
        assert edge.monolith.seen[-1].header(header) == keys[0].every, "asked for a token"


def test_a_client_is_counted_by_its_name(edge: System, keys: tuple[Keys, Path]) -> None:
    edge.stand(0)
    statuses = []
    for _ in range(30):
        answer = edge.ask("GET", "/weather/limited", {"X-Api-Key": keys[0].weather})
        statuses.append(answer.status)
    assert statuses[-1] == 429
    assert edge.ask("GET", "/weather/limited", {"X-Api-Key": "no"}).status == 401
    assert edge.ask("GET", "/weather/limited", {"X-Api-Key": keys[0].every}).status == 200


def test_a_browser_asks_first_without_one(edge: System) -> None:
    asks = {"Origin": SITE, "Access-Control-Request-Method": "GET"}
    answer = edge.ask("OPTIONS", "/weather/rome", asks)
    assert (answer.status, answer.header("Access-Control-Allow-Origin")) == (204, SITE)
    refused(edge, edge.ask("OPTIONS", "/weather/rome", {"Origin": SITE}), "X-Api-Key")


def test_the_log_names_the_client_and_never_the_key(edge: System, keys: tuple[Keys, Path]) -> None:
    edge.ask("GET", "/tides/logged", {"X-Sea-Key": keys[0].tides})
    until = time.monotonic() + 10
    lines: list[dict[str, object]] = []
    while not lines and time.monotonic() < until:
        time.sleep(0.02)
        lines = [line for line in edge.front.log() if line["path"] == "/tides/logged"]
    assert [line["client"] for line in lines] == ["sea"]
    assert keys[0].tides.split(".")[2] not in (edge.front.folder / "access.json").read_text()
