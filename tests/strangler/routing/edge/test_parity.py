"""The middleware and a real NGINX are asked the same, and do the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import pytest

from strangler.django.edge import service_arm
from strangler.ladder import Stage
from tests.strangler.django.behind_edge import MANIFEST, Edge, edge
from tests.strangler.django.faults import reply
from tests.strangler.routing.edge.front import System, system

SECOND = 'routes   = ["/weather/"]'
WIDER = 'routes   = ["/weather/", "/*/forecasts/today/", "/käse/"]'
SHARES = (0, 1, 10, 33, 50, 99, 100)
TENANTS = [
    None, "", "a", "tenant-42", "café", "東京", "x" * 39, "y" * 800, "two words", '"quoted"', "0",
]  # fmt: skip
COOKIES = [
    None, "strangler_cohort=0", "strangler_cohort=999", "strangler_cohort=42; a=b",
    "a=b; strangler_cohort=421", "strangler_cohort=1000", "strangler_cohort=007",
    "strangler_cohort=-1", "strangler_cohort=", "strangler_cohort=1; strangler_cohort=2",
    "strangler_cohort=1; strangler_cohort=x",
    "strangler_cohort=1;strangler_cohort=2;strangler_cohort=3",
    "xstrangler_cohort=3", "strangler_cohort = 77 ",
    'strangler_cohort="17"', "strangler_cohort=٣", "strangler_pin=-", ";;=;strangler_cohort=5",
]  # fmt: skip
METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "FOO", "PROPFIND"]
PATHS = [
    "/", "/about", "/weather", "/weather/", "/weather/rome", "/weather/%72ome?x=/../y",
    "/%77eather/rome", "/weather/z%C3%BCrich", "/weather/a;b",
    "/weather/rome#/../../admin", "//weather/rome", "/weather//rome", "/weather/rome//",
    "/./weather/rome", "/x/../weather/rome", "/weather/../x", "/weather/..", "/weather/.",
    "/weather/%2e%2e/x", "/x/%2e%2e/weather/rome", "/x/%2E./weather/rome", "/weather%2Frome",
    "/x%2f..%2fweather/rome", "/%2fweather/rome", "/weather/..%2f..%2fx", "/weather%5crome",
    "/weather\\rome", "/weather/%ff%fe", "/weather/%C0%AF", "/weather/\u00e9", "/weather/%252e/x",
    "/%2577eather/rome", "/weatherx", "/weather.json", "/WEATHER/rome", "/weather/%0d%0aX:%20y",
    "/weather/%7f", "/weather/.well-known/x..y/...", "/weather/search", "/weather/search/",
    "/weather/SEARCH", "/weather/search/1", "/nl/forecasts/today", "/nl/forecasts/today/x",
    "/nl/forecasts/todays", "/a/b/forecasts/today", "/tides/forecasts/today", "/tides/forecasts",
    "/tides", "/tides/x", "/k%C3%A4se/x", "/weather/?", "/weather?a=1#b",
    "/weather/rome?a=%2F..%2f//&b=\\", "/?/weather/", "/weather/" + "x" * 3000, "/weather/a%20b",
    "/weather/a%3Fb", "/weather/%7Erome/!$&'()*+,=:@",
]  # fmt: skip


class Outcome(NamedTuple):
    """What a client could tell, and what the service was asked."""

    status: int
    arm: str | None
    reason: str | None
    targets: tuple[str, ...]
    given: bool


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    text = MANIFEST.replace(SECOND, WIDER)
    with system(tmp_path_factory.mktemp("edge"), timeout="5s", text=text) as made:
        yield made


@pytest.fixture
def middleware(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, db: None
) -> Iterator[Edge]:
    monkeypatch.setattr(
        "tests.strangler.django.behind_edge.MANIFEST", MANIFEST.replace(SECOND, WIDER)
    )
    with edge(tmp_path, settings, monkeypatch) as made:
        made.service.behave = reply(200, {})
        yield made
        service_arm.service("tides").upstream.close()


def stand(nginx: System, middleware: Edge, percent: int) -> None:
    nginx.stand(percent * 10)
    if percent:
        middleware.stand(Stage.CANARY, percent)
        middleware.table.snapshot = None
        # The same folder: what tides does in NGINX's table is the middleware's, too.
        middleware.table.folder = type(middleware.table.folder)(nginx.table)
    else:
        middleware.stand(Stage.MONOLITH)
    nginx.reset()


def both(
    nginx: System,
    middleware: Edge,
    method: str,
    target: str,
    headers: Mapping[str, str],
) -> tuple[Outcome, Outcome]:
    body = b"{}" if method in {"POST", "PUT", "PATCH"} else b""
    nginx.service.seen.clear()
    middleware.service.seen.clear()
    wire = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    one = nginx.ask(method, target, wire, body)
    path = unquote_to_bytes(target.partition("?")[0].partition("#")[0].encode("latin-1"))
    seen = {"REMOTE_ADDR": "127.0.0.1", "PATH_INFO": path.decode("latin-1")}
    other = middleware.ask(method, target, wire, body, **seen)
    ours = any(cookie.startswith("strangler_cohort=") for cookie in one.all("Set-Cookie"))
    there = other.cookie is not None
    return (
        Outcome(one.status, one.arm, one.reason, _targets(nginx), ours),
        Outcome(other.status, other.arm, other.reason, _targets(middleware), there),
    )


def _targets(where: System | Edge) -> tuple[str, ...]:
    # Without what no reader of either form sees: a fragment, and a query string that is empty.
    return tuple(seen.target.partition("#")[0].removesuffix("?") for seen in where.service.seen)


def test_every_client_sees_the_same_arm(nginx: System, middleware: Edge) -> None:
    arms = set()
    for percent in SHARES:
        stand(nginx, middleware, percent)
        for tenant in TENANTS:
            for cookie in COOKIES if tenant in {None, "", "a"} else [None, COOKIES[1]]:
                headers = {}
                if tenant is not None:
                    headers["X-Tenant"] = tenant
                if cookie is not None:
                    headers["Cookie"] = cookie
                one, other = both(nginx, middleware, "GET", "/weather/rome", headers)
                assert one == other, (percent, tenant, cookie)
                arms.add((percent, one.arm))
    assert {(50, "monolith"), (50, "service"), (0, "monolith"), (100, "service")} <= arms
    assert not {(0, "service"), (100, "monolith")} & arms


@pytest.mark.parametrize("percent", [0, 100])
def test_every_path_goes_the_same_way(nginx: System, middleware: Edge, percent: int) -> None:
    stand(nginx, middleware, percent)
    for target in PATHS:
        nginx.monolith.seen.clear()
        one, other = both(nginx, middleware, "GET", target, {"X-Tenant": "a"})
        if other.arm is None:
            # Refused here, or by the monolith's own middleware, which sees the very same bytes.
            assert one.targets == (), target
            assert one.status == 400 or [seen.target for seen in nginx.asked] == [target]
            if one.status == 400:
                assert one.arm is None, target
                assert other.status == 400, target
        else:
            assert one == other, target


@pytest.mark.parametrize("percent", [0, 100])
def test_every_method_goes_the_same_way(nginx: System, middleware: Edge, percent: int) -> None:
    stand(nginx, middleware, percent)
    for target in ("/weather/rome", "/weather/search", "/weather/search/", "/weather/SEARCH"):
        for method in METHODS:
            one, other = both(nginx, middleware, method, target, {"X-Tenant": "a"})
            assert (one.status // 100, *one[1:]) == (other.status // 100, *other[1:]), (
                method,
                target,
            )


def test_bytes_that_no_client_should_send_unquoted_arrive_as_they_came(nginx: System) -> None:
    """The middleware's own client refuses to send such a path, and falls back."""
    nginx.stand(1000)
    for target in ("/weather/z\u00c3\u00bcrich", "/k\u00c3\u00a4se"):
        nginx.reset()
        assert nginx.ask("GET", target).arm == "service"
        assert [seen.target for seen in nginx.service.seen] == [target]
