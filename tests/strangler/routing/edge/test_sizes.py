"""How large a request may be: a real NGINX refuses what is too large, in JSON, and asks nobody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from strangler.ladder import COHORTS
from strangler.manifest import BODY
from tests.strangler.routing.edge.front import MANIFEST, Answer, Client, System, system

SMALL = '\n[capability.weather.gateway]\nbody = "2k"\n'
HEADERS = MANIFEST.replace("[edge]", '[edge]\nheader = "16k"')
ME = {"Cookie": "strangler_cohort=7"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with system(tmp_path_factory.mktemp("edge"), text=HEADERS + SMALL, tables=True) as made:
        yield made


@pytest.fixture
def edge(running: System) -> System:
    running.reset()
    return running


def send(edge: System, data: bytes) -> Answer:
    client = Client(edge.front.port)
    try:
        return client.send(data)
    finally:
        client.close()


def request(method: str, path: str, size: int, *, chunked: bool) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nCookie: {ME['Cookie']}\r\n"
    if chunked:
        whole = f"{size:x}\r\n".encode() + b"x" * size + b"\r\n0\r\n\r\n"
        return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + whole
    return f"{head}Content-Length: {size}\r\n\r\n".encode() + b"x" * size


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("share", [0, COHORTS])
@pytest.mark.parametrize("target", ["POST /weather/rome", "POST /weather/search"])
def test_a_body_has_what_the_manifest_says_at_most(
    edge: System, target: str, share: int, *, chunked: bool
) -> None:
    edge.stand(share)
    method, path = target.split()
    answer = send(edge, request(method, path, 2048, chunked=chunked))
    assert (answer.status, answer.arm) == (200, "service" if share else "monolith")
    edge.reset()
    answer = send(edge, request(method, path, 2049, chunked=chunked))
    assert (answer.status, answer.json()["error"], answer.arm) == (413, "TooLarge", None)
    assert answer.header("X-Strangler-Executed") == "no"
    assert (edge.asked, edge.service.seen) == ([], [])


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("share", [0, COHORTS])
def test_where_it_says_nothing_it_is_what_a_service_takes(
    edge: System, share: int, *, chunked: bool
) -> None:
    edge.stand(share)
    assert send(edge, request("POST", "/tides/x", BODY, chunked=chunked)).status == 200
    edge.reset()
    answer = send(edge, request("POST", "/tides/x", BODY + 1, chunked=chunked))
    assert (answer.status, answer.json()["error"]) == (413, "TooLarge")
    assert (edge.asked, edge.service.seen) == ([], [])


@pytest.mark.parametrize(
    ("data", "status", "error"),
    [
        (
            b"GET /weather/rome HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n" % (b"y" * 17000),
            431,
            "Headers",
        ),
        (b"GET /weather/%s HTTP/1.1\r\nHost: a\r\n\r\n" % (b"y" * 17000), 414, "Target"),
        (b"GET /weather/rome HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "BadRequest"),
        (b"GET /weather/rome HTTP/1.1\r\n\r\n", 400, "BadRequest"),
        (b"\x16\x03\x01\r\n\r\n", 400, "BadRequest"),
    ],
)
def test_whoever_is_refused_before_asking_is_told_in_json(
    edge: System, data: bytes, status: int, error: str
) -> None:
    answer = send(edge, data)
    assert answer.status == status
    assert answer.json()["error"].startswith(error)
    assert answer.header("Connection") == "close"
    assert (edge.asked, edge.service.seen) == ([], [])


def test_headers_have_what_the_manifest_says_at_most(edge: System) -> None:
    for number in (1, 3):
        lines = "".join(f"X-{one}: {'y' * 15_000}\r\n" for one in range(number))
        data = f"GET /about HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode()
        assert send(edge, data).status == 200, number
    assert send(edge, b"GET /_strangler/edge/large HTTP/1.1\r\nHost: a\r\n\r\n").status == 404
