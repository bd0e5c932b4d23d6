"""What lasts, through a real NGINX: web sockets both ways, and events as they happen."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from strangler.ladder import COHORTS
from tests.strangler.django.faults import Behave, Gone, Seen
from tests.strangler.routing.edge.front import MANIFEST, System, system

ME = {"Cookie": "strangler_cohort=7"}
GATEWAY = """
[capability.weather.gateway]
rate  = "100/s"
cache = "5s"
"""
UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: a\r\nCookie: strangler_cohort=7\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with system(tmp_path_factory.mktemp("edge"), text=MANIFEST + GATEWAY) as made:
        yield made


@pytest.fixture
def edge(running: System) -> System:
    running.reset()
    return running


def echoes(peer: socket.socket, seen: Seen) -> None:
    """Changes to web sockets, greets, and says whatever it hears."""
    assert seen.header("Connection") == "upgrade"
    assert seen.header("Sec-WebSocket-Key") == "dGhlIHNhbXBsZSBub25jZQ=="
    peer.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        b"\x81\x05hello"
    )
    while data := peer.recv(65536):
        peer.sendall(data)
    raise Gone


@pytest.mark.parametrize("path", ["/about", "/weather/rome", "/tides/high"])
def test_a_web_socket_goes_both_ways_for_as_long_as_it_lasts(edge: System, path: str) -> None:
    edge.stand(0)
    edge.monolith.behave = echoes
    with socket.create_connection(("127.0.0.1", edge.front.port), 10) as peer:
        stream = peer.makefile("rb")
        peer.sendall(UPGRADE.format(path=path).encode())
        assert b" 101 " in stream.readline()
        headers = list(iter(stream.readline, b"\r\n"))
        assert b"Upgrade: websocket\r\n" in headers
        assert stream.read(7) == b"\x81\x05hello"
        for size in (1, 100, 200_000):
            sender = threading.Thread(target=peer.sendall, args=(b"x" * size,))
            sender.start()
            assert stream.read(size) == b"x" * size
            sender.join()


def test_a_service_is_not_asked_for_any(edge: System) -> None:
    """Ports and faces are HTTP: what is upgraded is the monolith's, or nobody's."""
    edge.stand(COHORTS)
    answer = edge.client.send(UPGRADE.format(path="/weather/rome").encode())
    assert answer.status == 200
    assert edge.service.seen[-1].header("Upgrade") is None


def streams(going_on: threading.Event, *headers: str) -> Behave:
    """Says one event, and the last one once it may go on."""
    head = ["HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Cache-Control: no-cache"]
    head += [*headers, "Transfer-Encoding: chunked", "", ""]

    def behave(peer: socket.socket, seen: Seen) -> None:
        if seen.target.startswith("/_strangler/"):
            peer.sendall(b"HTTP/1.1 204 No Content\r\nX-Strangler-Context: token\r\n\r\n")
            return
        peer.sendall("\r\n".join(head).encode() + b"9\r\ndata: 1\n\n\r\n")
        going_on.wait(10)
        with contextlib.suppress(OSError):
            peer.sendall(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")

    return behave


@pytest.mark.parametrize("headers", [(), ("X-Accel-Buffering: no",)], ids=["plain", "marked"])
@pytest.mark.parametrize(
    ("path", "share"),
    [("/about", 0), ("/weather/rome", 0), ("/weather/rome", COHORTS), ("/tides/high", COHORTS)],
)
def test_events_arrive_as_they_happen(
    edge: System, path: str, share: int, headers: tuple[str, ...]
) -> None:
    edge.stand(share)
    going_on = threading.Event()
    edge.monolith.behave = edge.service.behave = streams(going_on, *headers)
    client = HTTPConnection("127.0.0.1", edge.front.port, timeout=10)
    try:
        client.request("GET", path, headers=ME)
        answer = client.getresponse()
        assert answer.read(9) == b"data: 1\n\n"
        going_on.set()
        assert answer.read() == b"data: 2\n\n"
    finally:
        going_on.set()
        client.close()
