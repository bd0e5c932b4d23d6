"""The current NGINX does as the installed one does, which is held against the middleware elsewhere.

All other tests of the edge run on it too, with ``PATH=var/servers/nginx-current:$PATH``, as
``make chaos`` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from strangler.ladder import COHORTS
from strangler.routing.nginx.settings import LINGERING
from tests.servers import ServerMissingError, current_nginx, installed_nginx, nginx_version
from tests.strangler.django.faults import Behave, close, half, half_headers, reply, reset
from tests.strangler.routing.edge.front import Answer, Client, System, service, system
from tests.strangler.routing.edge.test_edge import SMUGGLED
from tests.strangler.routing.edge.test_parity import COOKIES, METHODS, PATHS, SHARES, TENANTS

CHANGING = {"date", "server", "traceparent", "x-strangler-deadline", "host", "x-forwarded-host"}
"""What no two answers or requests have alike, or what names the port."""
BROKEN: list[Behave] = [close, reset, half, half_headers]
SAID: list[Behave] = [
    *(reply(status, {}, "X-Own: yes") for status in (201, 404, 429, 500, 502, 503, 504)),
    reply(421, {}, "X-Strangler-Executed: no"),
    reply(503, {}, "X-Strangler-Executed: no"),
]
ME = {"Cookie": "strangler_cohort=7"}


class Told(NamedTuple):
    """What a client got, and what the two arms were asked."""

    status: int
    headers: list[tuple[str, str]]
    length: int
    whole: bool
    service: list[Any]
    monolith: list[Any]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[System, System]]:
    with ExitStack() as stack:
        try:
            programs = (installed_nginx(), current_nginx())
        except ServerMissingError as missing:
            pytest.skip(str(missing))
        one, other = (
            stack.enter_context(system(tmp_path_factory.mktemp("edge"), program=program))
            for program in programs
        )
        yield one, other


def alike(
    pair: tuple[System, System],
    method: str,
    target: str,
    headers: Mapping[str, str],
    behave: Behave = service,
) -> Answer:
    """Both are asked, and do the same; what the current one has answered."""
    body = b"{}" if method in {"POST", "PUT", "PATCH"} else b""
    wire = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    told = []
    for edge in pair:
        edge.reset()
        edge.service.behave = behave
        answer = edge.ask(method, target, wire, body)
        told.append(
            Told(
                answer.status,
                [_plain(*one) for one in answer.headers if one[0].lower() not in CHANGING],
                len(answer.body) if answer.status >= 400 else 0,
                answer.whole,
                _asked(edge.service.seen[:1]),
                _asked(edge.asked),
            )
        )
    assert told[0] == told[1], (method, target, headers)
    return answer


def _plain(name: str, value: str) -> tuple[str, str]:
    drawn = name == "Set-Cookie" and value.startswith("strangler_cohort=")
    return name, "a cohort" if drawn else "…" if name == "Content-Length" else value


def _asked(seen: list[Any]) -> list[Any]:
    """The first time: on a connection that was kept NGINX may ask once more."""
    return [
        (one.method, one.target, one.body, sorted({name.lower() for name, _ in one.headers}))
        for one in seen
    ]


def stand(pair: tuple[System, System], queries: int) -> None:
    for edge in pair:
        edge.stand(queries)


def test_it_is_told_in_its_own_words(pair: tuple[System, System]) -> None:
    for edge in pair:
        text = (edge.front.folder / "nginx.conf").read_text()
        newer = nginx_version(edge.front.program) >= LINGERING
        assert ("keepalive_min_timeout 2s;" in text) is newer


def test_every_client_and_path_and_method_goes_the_same_way(pair: tuple[System, System]) -> None:
    arms = []
    for percent in SHARES:
        stand(pair, percent * COHORTS // 100)
        tenants = [{"X-Tenant": tenant or "", "Cookie": ME["Cookie"]} for tenant in TENANTS]
        found = [alike(pair, "GET", "/weather/rome", tenant).arm for tenant in tenants]
        arms.append(found.count("service"))
    assert arms == sorted(arms), "nobody is sent back by a larger share"
    assert (arms[0], arms[-1]) == (0, len(TENANTS)), "a flip is seen by the next request"
    assert 0 < arms[SHARES.index(50)] < len(TENANTS)
    for share in (0, COHORTS // 2):
        stand(pair, share)
        for cookie in COOKIES[1:] * (share > 0):
            alike(pair, "GET", "/weather/rome", {"X-Tenant": "a", "Cookie": str(cookie)})
        for method in METHODS:
            alike(pair, method, "/weather/search", {"X-Tenant": "a"})
    stand(pair, COHORTS)
    for target in PATHS:
        alike(pair, "GET", target, {"X-Tenant": "a"})


def test_a_service_that_fails_fails_the_same_way(pair: tuple[System, System]) -> None:
    stand(pair, COHORTS)
    for behave in (*BROKEN, *SAID):
        for method in ("GET", "HEAD", "POST", "DELETE"):
            alike(pair, method, "/weather/rome", ME, behave)


def test_what_is_not_to_be_asked_twice_has_a_connection_of_its_own(
    pair: tuple[System, System],
) -> None:
    """On one that was kept, nobody would know whether a command that is cut off has been done."""
    for share in (0, COHORTS):
        stand(pair, share)
        for edge in pair:
            edge.reset()
            home, one = edge.monolith, edge.service
            for method, target in [("POST", "/weather/rome"), ("GET", "/about"), ("PUT", "/about")]:
                before, asked = home.connections + one.connections, len(home.seen + one.seen)
                for _ in range(3):
                    assert edge.ask(method, target, ME).status == 200
                more = home.connections + one.connections - before
                assert more == len(home.seen + one.seen) - asked >= 3, (share, method, target)


def test_what_two_readers_could_read_in_two_ways_reaches_nobody(
    pair: tuple[System, System],
) -> None:
    stand(pair, COHORTS)
    for data in SMUGGLED:
        for edge in pair:
            edge.reset()
            client = Client(edge.front.port)
            assert client.send(data).status >= 400, data
            client.close()
            assert (edge.asked, edge.service.seen) == ([], []), data
